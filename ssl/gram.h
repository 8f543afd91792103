#pragma once
#include "core/tensor/tensor.h"

#include <string>

namespace eosin::ssl {

struct GramShape {
  bool normalize = true;                  // tokens to unit length first
  bool img_level = true;                  // a Gram matrix an image; else one over the tokens of the whole batch
  std::string remove_negatives = "none";  // both, teacher: see gram_loss
};

/// Gram anchoring (DINOv3, arXiv:2508.10104): mean squared difference between the Gram matrices of student's and teacher's patch tokens, which
/// holds the similarities of patches to those of the teacher and leaves the features free. In float32 at least; no gradient to the teacher.
///
/// `remove_negatives`: "both" sets negative entries of both matrices to 0. "teacher" does so to the teacher's alone: the reference would
/// also clip the student where student and teacher are negative, but looks at a teacher that is clipped already, so that it never does.
///
/// Shapes   student_BND, teacher_BND; returns a scalar.
/// Errors   Shape if they differ in shape.
/// Checked  golden ssl.gram; tests/ssl/test_gram.cpp.
Tensor gram_loss(const Tensor& student_BND, const Tensor& teacher_BND, const GramShape& shape = {});

}  // namespace eosin::ssl
