#include "ssl/masked_crops.h"

#include "core/base/error.h"
#include "ssl/crop_groups.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

std::vector<Tensor> masked_crop_groups(const std::vector<Tensor>& views_BCHW, const char* method) {
  constexpr size_t kGlobalCrops = 2;
  EOSIN_CHECK(views_BCHW.size() >= kGlobalCrops, Shape, "[{}] a batch has {} views (need at least {} global crops)", method, views_BCHW.size(),
              kGlobalCrops);
  const auto local_begin = views_BCHW.begin() + kGlobalCrops;
  std::vector<Tensor> groups = group_by_size({views_BCHW.begin(), local_begin});
  EOSIN_CHECK(groups.size() == 1, Shape, "[{}] the two global crops differ in size ([{}] and [{}])", method,
              fmt::join(views_BCHW[0].sizes().vec(), ", "), fmt::join(views_BCHW[1].sizes().vec(), ", "));
  for (Tensor& local : group_by_size({local_begin, views_BCHW.end()})) groups.push_back(std::move(local));
  return groups;
}

nn::VitPass masked_pass(const PatchMasks& masks, size_t groups, nn::DropPathKey drop_path) {
  nn::VitPass pass;
  pass.drop_path = drop_path;
  pass.masks_BN.resize(groups);
  pass.masks_BN.front() = masks.masks_BN;
  return pass;
}

nn::PatchGrid grid_of(const Tensor& view_BCHW, int64_t patch_size) { return {view_BCHW.size(2) / patch_size, view_BCHW.size(3) / patch_size}; }

Tensor masked_patches(const nn::Vit& backbone, const Tensor& tokens_BND, const PatchMasks& masks) {
  return masked_rows(backbone->patch_tokens(tokens_BND), masks);
}

std::vector<Tensor> forward_tokens(nn::Vit& backbone, const std::vector<Tensor>& groups_BCHW, const nn::VitPass& pass) {
  std::vector<Tensor> tokens = backbone->forward_prenorm(groups_BCHW, pass);
  for (Tensor& group : tokens) group = backbone->normalise(group);
  return tokens;
}

Tensor class_tokens(const nn::Vit& backbone, const std::vector<Tensor>& tokens_BND) {
  std::vector<Tensor> cls;
  for (const Tensor& group : tokens_BND) cls.push_back(backbone->class_tokens(group));
  return at::cat(cls);
}

}  // namespace eosin::ssl
