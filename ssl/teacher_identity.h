#pragma once
// Frozen teachers are not in a run's state; what tells them from others is.
#include "core/tensor/state.h"

#include <string>
#include <vector>

namespace eosin::ssl {

struct TeacherIdentity {
  std::string path, weights_sha256;
};
void add_teachers(State& state, const std::vector<TeacherIdentity>& teachers);
/// Errors   Data naming both hashes if the run began with others.
void check_teachers(const State& state, const std::vector<TeacherIdentity>& teachers, const char* method);

}  // namespace eosin::ssl
