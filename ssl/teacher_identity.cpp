#include "ssl/teacher_identity.h"

#include "core/base/error.h"

#include <nlohmann/json.hpp>

namespace eosin::ssl {

void add_teachers(State& state, const std::vector<TeacherIdentity>& teachers) {
  nlohmann::json list = nlohmann::json::array();
  for (const TeacherIdentity& t : teachers) list.push_back({{"path", t.path}, {"weights_sha256", t.weights_sha256}});
  state.values["teachers"] = std::move(list);
}

void check_teachers(const State& state, const std::vector<TeacherIdentity>& teachers, const char* method) {
  const nlohmann::json before = state.values.value("teachers", nlohmann::json::array());
  EOSIN_CHECK(before.size() == teachers.size(), Data, "[{}] the run began with {} teachers and has {} now", method, before.size(), teachers.size());
  for (size_t i = 0; i < teachers.size(); ++i) {
    const auto began_with = before[i].at("weights_sha256").get<std::string>();
    EOSIN_CHECK(began_with == teachers[i].weights_sha256, Data,
                "[{}] teacher {} ({}) has other weights than the run began with: SHA-256 {} (need {})", method, i, teachers[i].path,
                teachers[i].weights_sha256, began_with);
  }
}

}  // namespace eosin::ssl
