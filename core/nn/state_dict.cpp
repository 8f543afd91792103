#include "core/nn/state_dict.h"

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/nn/weight_names.h"

#include <algorithm>
#include <vector>

namespace eosin::nn {
namespace {

using Dictionaries = std::map<std::string, TensorMap>;

/// Tensors by the dictionary that holds them: the last '/' of a path comes before the name.
Dictionaries split(const TensorMap& checkpoint) {
  Dictionaries dictionaries;
  for (const auto& [path, t] : checkpoint) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos)
      dictionaries[""].emplace(path, t);
    else
      dictionaries[path.substr(0, slash)].emplace(path.substr(slash + 1), t);
  }
  return dictionaries;
}

bool holds_encoder(const TensorMap& tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const auto& item) { return is_encoder_key(item.first); });
}

std::string describe(const Dictionaries& dictionaries, const std::vector<std::string>& keys) {
  std::vector<std::string> rows;
  for (const auto& key : keys) rows.push_back(fmt::format("'{}' ({} tensors)", key, dictionaries.at(key).size()));
  return fmt::format("{}", fmt::join(rows, ", "));
}

/// Of a teacher and a student side by side, the wanted one.
std::vector<std::string> of_network(const std::vector<std::string>& keys, const std::string& network) {
  const auto role = [](const std::string& key) { return key.substr(key.rfind('/') + 1); };
  const bool pair = keys.size() == 2 && role(keys[0]) == "student" && role(keys[1]) == "teacher";
  if (!pair) return keys;
  return {keys[network == "student" ? 0 : 1]};
}

/// DINOv2's training checkpoints hold both networks in one dictionary; the importer takes the teacher where there is one.
void keep_network(TensorMap& tensors, const std::string& network) {
  const bool has_student = std::any_of(tensors.begin(), tensors.end(), [](const auto& item) { return item.first.starts_with("student."); });
  if (network == "student" && has_student) std::erase_if(tensors, [](const auto& item) { return item.first.starts_with("teacher."); });
}

std::string choose_key(const Dictionaries& dictionaries, const StateDictChoice& choice, const std::string& where) {
  std::vector<std::string> all, encoders;
  for (const auto& [key, tensors] : dictionaries) {
    all.push_back(key);
    if (holds_encoder(tensors)) encoders.push_back(key);
  }
  if (!choice.key.empty()) {
    const auto near = config::nearest(choice.key, all);
    EOSIN_CHECK(dictionaries.count(choice.key), Config, "[{}] has no dictionary '{}'; {}", where, choice.key,
                near && !near->empty() ? fmt::format("did you mean '{}'?", *near) : "those with an encoder: " + describe(dictionaries, encoders));
    return choice.key;
  }
  if (encoders.empty() && all.size() == 1) return all[0];
  EOSIN_CHECK(!encoders.empty(), Data,
              "[{}] holds no encoder of a known kind (no patch_embed.proj.weight, layer1.0.conv1.weight or the like in its {} dictionaries)", where,
              all.size());
  const std::vector<std::string> left = of_network(encoders, choice.network);
  EOSIN_CHECK(left.size() == 1, Config, "[{}] holds several encoders: {}; choose one with `eosin import FILE key=... out=FOLDER`", where,
              describe(dictionaries, left));
  return left[0];
}

}  // namespace

TensorMap choose_state_dict(const TensorMap& checkpoint, const StateDictChoice& choice, const std::string& where) {
  EOSIN_CHECK(!checkpoint.empty(), Data, "[{}] holds no tensors", where);
  Dictionaries dictionaries = split(checkpoint);
  TensorMap tensors = std::move(dictionaries.at(choose_key(dictionaries, choice, where)));
  keep_network(tensors, choice.network);
  return tensors;
}

}  // namespace eosin::nn
