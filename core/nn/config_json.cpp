#include "core/nn/config_json.h"

#include "core/base/error.h"

#include <nlohmann/json.hpp>

#include <set>

namespace eosin::nn {
namespace {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

/// Fills a struct from a JSON object; an unknown key is an error.
class JsonReader : public config::Visitor {
 public:
  JsonReader(const nlohmann::json& json, const std::string& where) : json_(json), where_(where) {
    EOSIN_CHECK(json.is_object(), Data, "[{}] the model's description is not a JSON object", where);
  }
  void check_all_known() const {
    for (const auto& [key, value] : json_.items())
      EOSIN_CHECK(known_.count(key), Data, "[{}] the model's description has an unknown key '{}'; it was written by another version", where_, key);
  }

 protected:
  void field(const char* key, config::FieldRef value, const char*, const config::Rules&) override {
    known_.insert(key);
    const auto it = json_.find(key);
    if (it == json_.end()) return;
    std::visit(
        [&](auto* target) {
          using T = std::remove_pointer_t<decltype(target)>;
          if constexpr (IsOptional<T>::value) {
            *target = it->is_null() ? T{} : T{it->template get<typename T::value_type>()};
          } else {
            *target = it->template get<T>();
          }
        },
        value);
  }
  void section(const char* key, ConfigRef value, const char*) override {
    known_.insert(key);
    const auto it = json_.find(key);
    if (it == json_.end()) return;
    JsonReader reader(*it, where_);
    value.visit(reader);
    reader.check_all_known();
  }
  void choice(const char*, config::Choice&, const char*) override { EOSIN_ASSERT(!"a model has no choice by name"); }

 private:
  const nlohmann::json& json_;
  const std::string& where_;
  std::set<std::string> known_;
};

}  // namespace

void read_description(const nlohmann::json& json, const config::VisitFn& visit, const std::string& where) {
  JsonReader reader(json, where);
  try {
    visit(reader);
  } catch (const nlohmann::json::exception& e) {
    fail(ErrorKind::Data, "[{}] the model's description has a value of the wrong type: {}", where, e.what());
  }
  reader.check_all_known();
}

}  // namespace eosin::nn
