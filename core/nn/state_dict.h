#pragma once
// Which of the tensors of a training checkpoint are the encoder.
#include "core/tensor/tensor.h"

#include <string>

namespace eosin::nn {

struct StateDictChoice {
  std::string key;               // dictionary of the checkpoint: "model", "state_dict", "model/teacher"; empty: the only one with an encoder
  std::string network = "auto";  // of a teacher and a student side by side: "teacher" (as "auto") or "student"
};

/// The tensors of one dictionary of a checkpoint (core/tensor/torch_archive.h), under their names in it. Those that hold an
/// encoder are candidates: timm's `state_dict`, DINOv2's `teacher`, DINO's `teacher` and `student`, a plain state dict (no key at all).
///
/// Errors   Config if the key does not exist, or several candidates are left (lists them); Data if there are no tensors.
/// Checked  tests/nn/test_encoder.cpp; tests/python/torch_archives.py.
TensorMap choose_state_dict(const TensorMap& checkpoint, const StateDictChoice& choice, const std::string& where);

}  // namespace eosin::nn
