#include "ssl/student_groups.h"

namespace eosin::ssl {

std::vector<std::pair<std::string, Tensor>> trained_parameters(const torch::nn::Module& module, const std::string& prefix) {
  std::vector<std::pair<std::string, Tensor>> named;
  for (const auto& item : module.named_parameters())
    if (item.value().requires_grad()) named.emplace_back(prefix + item.key(), item.value());
  return named;
}

std::vector<optim::ParamGroup> student_groups(const torch::nn::Module& student,
                                              const std::function<optim::RuleOf(const std::string& part)>& rule_of) {
  std::vector<optim::ParamGroup> groups;
  for (const auto& part : student.named_children()) {
    const auto named = trained_parameters(*part.value(), "student." + part.key() + ".");
    for (auto& group : optim::group_params(named, rule_of(part.key()), part.key())) groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace eosin::ssl
