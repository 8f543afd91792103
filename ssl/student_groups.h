#pragma once
#include "optim/param_groups.h"

#include <torch/nn/module.h>

#include <functional>
#include <string>
#include <vector>

namespace eosin::ssl {

/// Those of a module's parameters that are trained, by name.
std::vector<std::pair<std::string, Tensor>> trained_parameters(const torch::nn::Module& module, const std::string& prefix);

/// The trained parameters of a student, as "student.<name>": each of its parts (backbone, head, ...) has a rule and a clip group of its own,
/// named as the part.
std::vector<optim::ParamGroup> student_groups(const torch::nn::Module& student, const std::function<optim::RuleOf(const std::string& part)>& rule_of);

}  // namespace eosin::ssl
