#pragma once
// What the methods share whose student sees masked global crops beside local ones (iBOT, DINOv2).
#include "core/nn/vit.h"
#include "ssl/patch_masks.h"

#include <vector>

namespace eosin::ssl {

/// The views of a batch, each group in one batch: the two global crops first (crop-major), then the local ones.
///
/// Errors   Shape naming `method` if there are fewer than two views or the first two differ in size.
std::vector<Tensor> masked_crop_groups(const std::vector<Tensor>& views_BCHW, const char* method);

/// A pass in which the first of `groups` groups is masked.
nn::VitPass masked_pass(const PatchMasks& masks, size_t groups, nn::DropPathKey drop_path);

/// The grid of a view's patches.
nn::PatchGrid grid_of(const Tensor& view_BCHW, int64_t patch_size);

/// The masked patches [M, D] of tokens [B, prefix + N, D].
Tensor masked_patches(const nn::Vit& backbone, const Tensor& tokens_BND, const PatchMasks& masks);

/// Normalised tokens of each group.
std::vector<Tensor> forward_tokens(nn::Vit& backbone, const std::vector<Tensor>& groups_BCHW, const nn::VitPass& pass);
/// Their class tokens, one group after another.
Tensor class_tokens(const nn::Vit& backbone, const std::vector<Tensor>& tokens_BND);

}  // namespace eosin::ssl
