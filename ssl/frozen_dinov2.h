#pragma once
// A finished DINOv2 run as the frozen teacher of a smaller student: its backbone and heads.
#include "ssl/dinov2.h"
#include "ssl/teacher_identity.h"
#include "ssl/teacher_view.h"

#include <string>

namespace eosin::ssl {

struct FrozenDinov2 {
  TeacherIdentity identity;
  Dinov2Net net{nullptr};  // of the run's teacher
  TeacherView view;        // crops at which its grid of patches is the student's
};

/// The teacher of the run at `path` (a run folder or a checkpoint), for a student of `config` and `encoder`.
///
/// Errors   Io if there is nothing at `path`; Data if it is no run of dinov2; Config naming both if its prototypes are of another number.
/// Checked  tests/ssl/test_dinov2_frozen.cpp.
FrozenDinov2 load_frozen_dinov2(const std::string& path, const Dinov2Config& config, const nn::EncoderSpec& encoder);

}  // namespace eosin::ssl
