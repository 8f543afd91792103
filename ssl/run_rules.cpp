#include "ssl/run_rules.h"

#include "ssl/dino.h"
#include "ssl/dinov2.h"
#include "ssl/distill.h"
#include "ssl/gpfm.h"
#include "ssl/ibot.h"
#include "ssl/mae.h"
#include "ssl/msn.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace eosin::ssl {
namespace {

/// Masks, and choices of patches, are a vision transformer's.
bool has_tokens(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (run.family == "vit") return true;
  problems.add("model.name",
               fmt::format("{} needs a vision transformer (got a {}); choose one of `eosin list backbone`, as vit_small", method.name(), run.family));
  return false;
}

void need_two_global_crops(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (run.crop_sizes.size() < 2 || run.crop_sizes[0] != run.crop_sizes[1])
    problems.add("method.name", method.name() + " needs two global crops of one size");
}

void check_warmup(int64_t steps, const RunShape& run, config::Problems& problems, const std::string& block = "method.") {
  if (steps > run.steps) problems.add(block + "warmup_teacher_temp_steps", fmt::format("{} is longer than the run of {} steps", steps, run.steps));
}

/// Merged tokens are fewer than the patches and in another order.
void need_whole_tokens(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (run.merges_tokens) problems.add("model.token_merge.method", method.name() + " works on each patch token; need none");
}

/// `masked` crops with at most `ratio` of their patches: at least one patch must come of it.
void check_masks(double ratio, bool wanted, const RunShape& run, config::Problems& problems, const std::string& block = "method.") {
  if (!wanted || run.crop_sizes.empty()) return;
  const int64_t side = run.crop_sizes[0] / run.patch_size, patches = side * side;
  if (static_cast<double>(patches) * ratio < 1)
    problems.add(block + "mask_ratio", fmt::format("{} of the {} patches of a global crop is less than one; need at least {:.3g}", ratio, patches,
                                                   patches > 0 ? 1 / static_cast<double>(patches) : 1.0));
}

/// Rotary positions are a whole grid's: a choice of its patches would get those of others.
void need_learned_positions(const std::string& key, const RunShape& run, config::Problems& problems) {
  if (run.rope) problems.add(key, "an encoder that sees a choice of the patches needs learned positions; set model.rope.enabled=false");
}

/// An autoencoder of patches sees at least one and rebuilds at least one.
void check_visible(const std::string& key, double mask_ratio, const RunShape& run, config::Problems& problems) {
  const int64_t side = run.image_size_px / run.patch_size, patches = side * side;
  if (patches < 2)
    problems.add("model.patch_size", fmt::format("an image of {} px has {} patch; pixels of patches need at least 2", run.image_size_px, patches));
  else if (visible_count(patches, mask_ratio) < 1)
    problems.add(key, fmt::format("{} leaves none of {} patches visible; need at most {:.3f}", mask_ratio, patches,
                                  std::floor((1 - 1 / static_cast<double>(patches)) * 1000) / 1000));
}

int64_t coarsest_patch(const Dinov2Config& config, const RunShape& run) {
  return config.patch_sizes.empty() ? run.patch_size : *std::max_element(config.patch_sizes.begin(), config.patch_sizes.end());
}

/// Every view must divide into patches of every size.
void check_patch_sizes(const Dinov2Config& config, const RunShape& run, config::Problems& problems, const std::string& block) {
  for (const int64_t patch : config.patch_sizes) {
    const auto size = std::find_if(run.crop_sizes.begin(), run.crop_sizes.end(), [&](int64_t s) { return s % patch != 0; });
    if (size == run.crop_sizes.end()) continue;
    problems.add(block + "patch_sizes", fmt::format("a crop of {} px is not a multiple of {}; nearest: {} or {}", *size, patch,
                                                    std::max(*size / patch, int64_t{1}) * patch, (*size / patch + 1) * patch));
  }
}

/// The Gram teacher, and none else, looks at undistorted views.
void check_undistorted(const Dinov2Config& config, const RunShape& run, config::Problems& problems) {
  if (!run.undistorted_px) return;
  const std::string key = "data.crops.undistorted_size_px";
  if (config.gram_weight == 0) problems.add(key, "only a Gram teacher looks at undistorted views, and method.gram_weight is 0");
  const int64_t size = *run.undistorted_px, patch = coarsest_patch(config, run);
  if (size % patch != 0)
    problems.add(key, fmt::format("{} px are not a multiple of the patch size {}; nearest: {} or {}", size, patch,
                                  std::max(size / patch, int64_t{1}) * patch, (size / patch + 1) * patch));
}

void check_dinov2_block(const config::Choice& method, const Dinov2Config& config, const std::string& block, const RunShape& run,
                        config::Problems& problems) {
  need_two_global_crops(method, run, problems);
  need_whole_tokens(method, run, problems);
  check_warmup(config.warmup_teacher_temp_steps, run, problems, block);
  check_patch_sizes(config, run, problems, block);
  RunShape coarsest = run;  // the largest patches leave the fewest
  coarsest.patch_size = coarsest_patch(config, run);
  check_masks(config.mask_ratio[1], config.ibot_weight > 0 && config.mask_probability > 0, coarsest, problems, block);
  if (config.reconstruction.weight > 0) {
    if (!run.crop_sizes.empty()) coarsest.image_size_px = run.crop_sizes.front();
    check_visible(block + "reconstruction.mask_ratio", config.reconstruction.mask_ratio, coarsest, problems);
    need_learned_positions(block + "reconstruction.weight", run, problems);
  }
  if (!config.frozen_teacher.empty() && run.drop_path_rate > 0)
    problems.add("model.drop_path_rate", fmt::format("{} beside a frozen teacher, whose student is whole (need 0)", run.drop_path_rate));
  if (!config.frozen_teacher.empty() && !run.crop_sizes.empty() && run.crop_sizes[0] != run.image_size_px)
    problems.add("data.crops.global_size_px",
                 fmt::format("{} beside a frozen teacher, whose patches are compared at the model's image size (need {})", run.crop_sizes[0],
                             run.image_size_px));
  if (config.gram_weight > 0 && config.gram_start_step >= run.steps)
    problems.add(block + "gram_start_step", fmt::format("{} is not within the run of {} steps", config.gram_start_step, run.steps));
  if (const auto least = config.least_batch(); run.batch < least.samples)
    problems.add("train.batch_size", fmt::format("a micro-step of {} samples is too small for {} (need at least {}); raise it, or {}", run.batch,
                                                 least.loss, least.samples, least.otherwise));
}

/// Batch norms, correlations and negatives need company.
void need_two_samples(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (run.batch < 2)
    problems.add("train.batch_size", fmt::format("a micro-step of {} sample is too small for {} (need at least 2)", run.batch, method.name()));
}

}  // namespace

RunShape shape_of(const nn::BackboneConfig& model) {
  RunShape shape;
  if (const nn::BackboneRow* row = nn::row_of(model)) shape.family = nn::family_of(row->model);
  shape.patch_size = nn::size_multiple(model), shape.least_size = nn::least_size(model), shape.image_size_px = model.image_size_px;
  shape.merges_tokens = model.token_merge.method != "none", shape.rope = model.rope.enabled;
  shape.drop_path_rate = nn::drop_path_rate(model);
  return shape;
}

void check_crops(const RunShape& run, config::Problems& problems) {
  std::vector<int64_t> sizes = run.crop_sizes;
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  for (const int64_t size : sizes) {
    if (run.family != "vit" && size < run.least_size)
      problems.add("data.crops", fmt::format("a crop of {} px is too small for a {} (need at least {})", size, run.family, run.least_size));
    if (size % run.patch_size == 0) continue;
    const int64_t smaller = std::max(size / run.patch_size, int64_t{1}) * run.patch_size;
    problems.add("model.patch_size",
                 fmt::format("a crop of {} px is not a multiple of {}; nearest crop sizes: {} or {}", size,
                             run.family == "vit" ? fmt::format("the patch size {}", run.patch_size) : fmt::format("{}", run.patch_size), smaller,
                             (size / run.patch_size + 1) * run.patch_size));
  }
}

void check_dino(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  check_warmup(method.as<DinoConfig>().warmup_teacher_temp_steps, run, problems);
  need_two_global_crops(method, run, problems);
}

void check_ibot(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (!has_tokens(method, run, problems)) return;
  const auto& config = method.as<IbotConfig>();
  need_whole_tokens(method, run, problems);
  check_warmup(config.warmup_teacher_temp_steps, run, problems);
  need_two_global_crops(method, run, problems);
  check_masks(config.mask_ratio[1], config.patch_weight > 0, run, problems);
}

void check_dinov2(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (!has_tokens(method, run, problems)) return;
  const auto& config = method.as<Dinov2Config>();
  check_dinov2_block(method, config, "method.", run, problems);
  check_undistorted(config, run, problems);
}

void check_gpfm(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (!has_tokens(method, run, problems)) return;
  const auto& config = method.as<GpfmConfig>();
  check_dinov2_block(method, config.dinov2, "method.dinov2.", run, problems);
  if (!config.dinov2.frozen_teacher.empty())
    problems.add("method.dinov2.frozen_teacher", "gpfm's student teaches itself beside its experts; leave it out, or choose method=dinov2");
  if (!config.experts.cached_features.empty())
    problems.add("method.experts.cached_features", "experts see the crops that the student sees, and caches hold whole tiles; leave it out");
}

void check_distill(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  const auto& config = method.as<DistillConfig>();
  if (std::any_of(config.patch_weights.begin(), config.patch_weights.end(), [](double w) { return w > 0; })) need_whole_tokens(method, run, problems);
  bool cached = false;
  for (size_t i = 0; i < config.cached_features.size(); ++i) cached |= config.is_cached(i);
  if (cached && !config.fixed_targets && !run.view_changes.empty())
    problems.add("method.cached_features",
                 fmt::format("the features are of whole tiles, and views differ from them by {} of data.crops; turn these off, run the teacher, or "
                             "set method.fixed_targets=true",
                             fmt::join(run.view_changes, ", ")));
  if (config.fixed_targets && !cached) problems.add("method.fixed_targets", "is for cached features, and there are none; leave it out");
}

void check_mae(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (!has_tokens(method, run, problems)) return;
  const auto& config = method.as<MaeConfig>();
  const bool alike = std::all_of(run.crop_sizes.begin(), run.crop_sizes.end(), [&](int64_t size) { return size == run.image_size_px; });
  if (run.crop_sizes.empty() || !alike)
    problems.add(
        "method.name",
        fmt::format("mae needs views of the model's image size {} alone; set data.crops={{name: mae}} or data.crops.n_local=0", run.image_size_px));
  need_whole_tokens(method, run, problems);
  need_learned_positions("method.name", run, problems);
  check_visible("method.mask_ratio", config.mask_ratio, run, problems);
}

void check_pair(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  need_two_samples(method, run, problems);
  need_two_global_crops(method, run, problems);
  if (run.crop_sizes.size() > 2)
    problems.add("method.name", fmt::format("{} takes two crops of a tile and gets {}; set data.crops.n_local=0 and data.crops.n_global=2",
                                            method.name(), run.crop_sizes.size()));
}

void check_msn(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (!has_tokens(method, run, problems)) return;
  if (method.as<MsnConfig>().patch_drop > 0) need_learned_positions("method.patch_drop", run, problems);
  need_two_samples(method, run, problems);
  need_two_global_crops(method, run, problems);
}

void check_labels(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  if (run.labels.empty())
    problems.add("data.labels.column", method.name() + " learns from labels; name the column that holds them, as data.labels.column=class");
}

}  // namespace eosin::ssl
