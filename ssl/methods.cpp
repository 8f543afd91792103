#include "ssl/methods.h"

#include "core/base/error.h"
#include "core/nn/encoder.h"
#include "ssl/dino.h"

#include <algorithm>
#include <functional>

namespace eosin::ssl {
namespace {

struct Method {
  config::ConfigRow row;
  std::function<std::unique_ptr<ViewObjective>(const config::Choice&, const Ingredients&)> make;
  std::function<void(const config::Choice&, const RunShape&, config::Problems&)> check;
};

template <class Config>
std::unique_ptr<config::AnyConfig> defaults() {
  return std::make_unique<config::ConfigOf<Config>>(Config{});
}

nn::EncoderSpec encoder_spec(const Ingredients& with) {
  nn::EncoderSpec spec;
  spec.vit = nn::make_vit_config(with.model);
  if (!with.mean.empty()) spec.mean = with.mean;
  if (!with.std.empty()) spec.std = with.std;
  return spec;
}

std::unique_ptr<ViewObjective> make_dino(const config::Choice& method, const Ingredients& with) {
  auto dino = std::make_unique<Dino>(method.as<DinoConfig>(), encoder_spec(with), with.seed, with.comm);
  if (!with.model.init.empty()) {
    nn::Vit backbone = dino->student_backbone();
    nn::load_pretrained(backbone, with.model.init, with.model.allow_missing);
    dino->copy_student_to_teacher();
  }
  return dino;
}

void check_dino(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  const auto& config = method.as<DinoConfig>();
  if (config.warmup_teacher_temp_steps > run.steps)
    problems.add("method.warmup_teacher_temp_steps",
                 fmt::format("{} is longer than the run of {} steps", config.warmup_teacher_temp_steps, run.steps));
  if (run.crop_sizes.size() < 2 || run.crop_sizes[0] != run.crop_sizes[1]) problems.add("method.name", "dino needs two global crops of one size");
}

const std::vector<Method>& methods() {
  static const std::vector<Method> rows = {
      {{"dino", "self-distillation between crops with a centred teacher", "Caron 2021, arXiv:2104.14294", defaults<DinoConfig>},
       make_dino,
       check_dino},
  };
  return rows;
}

const Method& find(const config::Choice& choice) {
  const auto it = std::find_if(methods().begin(), methods().end(), [&](const Method& m) { return m.row.name == choice.name(); });
  EOSIN_ASSERT(it != methods().end());
  return *it;
}

}  // namespace

const std::vector<config::ConfigRow>& method_table() {
  static const std::vector<config::ConfigRow> rows = [] {
    std::vector<config::ConfigRow> list;
    for (const Method& m : methods()) list.push_back(m.row);
    return list;
  }();
  return rows;
}

std::unique_ptr<ViewObjective> make_objective(const config::Choice& method, const Ingredients& ingredients) {
  return find(method).make(method, ingredients);
}

void check_run(const config::Choice& method, const RunShape& run, config::Problems& problems) {
  std::vector<int64_t> sizes = run.crop_sizes;
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  for (const int64_t size : sizes) {
    if (size % run.patch_size == 0) continue;
    const int64_t smaller = std::max(size / run.patch_size, int64_t{1}) * run.patch_size;
    problems.add("model.patch_size", fmt::format("a crop of {} px is not a multiple of the patch size {}; nearest crop sizes: {} or {}", size,
                                                 run.patch_size, smaller, (size / run.patch_size + 1) * run.patch_size));
  }
  find(method).check(method, run, problems);
}

}  // namespace eosin::ssl
