// Steps of DINO on given views, in float64, for comparison with another implementation:
//   dino_steps IN.safetensors OUT.safetensors
// IN: views.0, views.1, ... [steps, B, 3, H, W], the two global crops first.
// OUT: first.* and last.*: the weights of student and teacher and the centre before and after the steps; "losses" [steps].
#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/tensor/safetensors.h"
#include "optim/adamw.h"
#include "ssl/dino.h"
#include "tests/given_views.h"

#include <ATen/ATen.h>
#include <cstdio>

namespace {

using namespace eosin;

void add(TensorMap& out, const std::string& prefix, ssl::Dino& dino) {
  for (const auto& [name, tensor] : dino.state().tensors) out[prefix + name] = tensor.clone();
}

void run(const std::string& from, const std::string& to) {
  const TensorMap in = read_safetensors(from).tensors;
  const Tensor& first = in.at("views.0");
  const int64_t steps = first.size(0);

  nn::EncoderSpec encoder;
  nn::BackboneConfig vit_tiny;
  vit_tiny.name = "vit_tiny";
  vit_tiny.image_size_px = first.size(3);
  vit_tiny.drop_path_rate = 0;
  encoder.model = nn::make_model_config(vit_tiny);
  encoder.vit().depth = 3;
  ssl::DinoConfig config;
  config.n_prototypes = 512;
  ssl::Dino dino(config, encoder, 0, make_single_comm());
  dino.to(at::kDouble);
  TensorMap out;
  add(out, "first.", dino);

  GivenViews task(dino, [&](int64_t step) {
    data::ViewBatch batch;
    for (int v = 0; in.contains("views." + std::to_string(v)); ++v)
      batch.views_BCHW.push_back(in.at("views." + std::to_string(v))[step].to(at::kDouble).contiguous());
    return batch;
  });
  optim::AdamW adamw({}, dino.param_groups());
  const auto comm = make_single_comm();
  train::TrainConfig train;
  train.steps = steps;
  train.freeze_last_layer_steps = 2;
  train::Trainer trainer(train, {task, adamw, *comm, [](int64_t) { return 5e-4; }, [](int64_t) { return 0.04; }});
  const auto losses = std::make_shared<StepLosses>();
  trainer.add(losses);
  trainer.run();
  add(out, "last.", dino);
  out["losses"] = at::tensor(losses->values, at::kDouble);
  write_safetensors(to, out);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    run(argv[1], argv[2]);
  } catch (const eosin::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return static_cast<int>(e.kind());
  }
  return 0;
}
