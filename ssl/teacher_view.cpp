#include "ssl/teacher_view.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

TeacherView::TeacherView(const nn::EncoderSpec& teacher, const TeacherImages& images, const nn::EncoderSpec& student, const std::string& key)
    : size_(images.size_px > 0 ? std::vector<int64_t>(2, images.size_px) : nn::image_size(teacher.model)) {
  const int64_t multiple = nn::size_multiple(teacher.model);
  for (const int64_t side : size_)
    EOSIN_CHECK(side % multiple == 0, Config, "[{}] {} is not a multiple of {}, as the teacher needs", key, side, multiple);
  const auto column = [](const std::vector<double>& v) { return at::tensor(v, at::kDouble).view({-1, 1, 1}); };
  const Tensor mean = column(images.mean.empty() ? teacher.mean : images.mean), std = column(images.std.empty() ? teacher.std : images.std);
  scale_C11_ = column(student.std) / std;
  shift_C11_ = (column(student.mean) - mean) / std;
}

Tensor TeacherView::images(const Tensor& views_BCHW) const {
  const auto like = views_BCHW.options();
  const Tensor images = views_BCHW * scale_C11_.to(like) + shift_C11_.to(like);
  if (images.size(2) == size_[0] && images.size(3) == size_[1]) return images;
  return at::_upsample_bicubic2d_aa(images, size_, false);
}

}  // namespace eosin::ssl
