#include "ssl/continued_run.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/nn/encoder_spec.h"
#include "core/nn/pos_embed.h"
#include "core/nn/weights.h"
#include "core/tensor/checkpoint.h"

#include <filesystem>

namespace eosin::ssl {
namespace {

namespace fs = std::filesystem;
const std::string kGramTeacher = "gram_teacher.";

State objective_of(const std::string& run) {
  const fs::path folder = fs::path(run) / "checkpoints";
  EOSIN_CHECK(fs::is_directory(folder), Config, "[model.init] {} holds no checkpoints; init_heads=true needs the folder of a run", run);
  const auto newest = load_latest(folder.string());
  EOSIN_CHECK(newest, Data, "[model.init] {} holds no checkpoint yet; train longer or lower train.checkpoint_every", run);
  log::info("[init] all networks of {}", newest->path);
  return newest->state.part("task").part("objective");
}

nn::ModelConfig model_of(const State& objective, const std::string& where) {
  EOSIN_CHECK(objective.values.contains("encoder"), Data, "[model.init] {} holds no encoder", where);
  return nn::encoder_spec_from_json(objective.values.at("encoder"), where).model;
}

}  // namespace

void continue_run(train::Objective<data::ViewBatch>& method, const std::string& run) {
  State from = objective_of(run);
  const State own = method.state();
  const nn::ModelConfig before = model_of(from, run), now = model_of(own, "this run");
  std::vector<std::string> missing;
  for (const auto& [name, tensor] : own.tensors)
    if (name.starts_with(kGramTeacher) && !from.tensors.contains(name)) missing.push_back(name);
  std::erase_if(from.tensors, [&](const auto& item) { return item.first.starts_with(kGramTeacher) && !own.tensors.contains(item.first); });
  for (auto& [name, tensor] : from.tensors) {
    if (!name.ends_with("backbone.pos_embed") && name != kGramTeacher + "pos_embed") continue;
    const nn::VitConfig &then = nn::vit_of(before), &here = nn::vit_of(now);
    tensor = nn::resample_pos_embed(tensor, then.grid(), here.grid(), then.pos_prefix(), here.pos_resample());
  }
  nn::load_weights(method, from.tensors, missing);
}

}  // namespace eosin::ssl
