#pragma once
#include "core/nn/encoder_spec.h"
#include "core/tensor/tensor.h"

#include <string>
#include <vector>

namespace eosin::ssl {

/// How a frozen encoder's images differ from what its file says; 0 and empty: as it says.
struct TeacherImages {
  int64_t size_px = 0;
  std::vector<double> mean, std;
};

/// How the student's views become a teacher's images: its mean, deviation and size (bicubic, antialias).
class TeacherView {
 public:
  TeacherView() = default;
  /// Errors   Config naming `key` if the teacher cannot take that size.
  TeacherView(const nn::EncoderSpec& teacher, const TeacherImages& images, const nn::EncoderSpec& student, const std::string& key);

  /// Shapes   views_BCHW, normalised for the student.
  Tensor images(const Tensor& views_BCHW) const;
  /// Height and width of the images.
  const std::vector<int64_t>& size() const { return size_; }

 private:
  std::vector<int64_t> size_;
  Tensor scale_C11_, shift_C11_;
};

}  // namespace eosin::ssl
