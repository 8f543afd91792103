#pragma once
// What the loss over prototypes needs: memory and time of one forward and backward pass, beside DINOv2's plain form in PyTorch.
#include "apps/bench_step.h"

namespace eosin::apps {

struct LossBench {
  int64_t rows = 1024, n_prototypes = 131072, bottleneck_dim = 256, sinkhorn_iterations = 3;
  std::string precision = "fp32";
  int64_t repeats = 3;
  StepRunConfig run;
  void visit(config::Visitor& v) {
    v("rows", rows, "masked patches (64 images of 224 px in patches of 14 have about 5,000)", config::Range{1, 1e6});
    v("n_prototypes", n_prototypes, "outputs of the head", config::Range{2, 1 << 24});
    v("bottleneck_dim", bottleneck_dim, "width before them", config::Range{1, 1 << 16});
    v("sinkhorn_iterations", sinkhorn_iterations, "rounds of Sinkhorn-Knopp", config::Range{1, 100});
    v("precision", precision, "of products: fp32, or bf16 by autocast", config::OneOf{{"fp32", "bf16"}});
    v("repeats", repeats, "repeats; the median is reported", config::Range{1, 1000});
    v("run", run, "device, threads and seed");
  }
};

/// From points before the prototypes to gradients of points and prototypes: teacher's logits, Sinkhorn-Knopp, student's logits, cross-entropy,
/// backward. `peak_bytes` is what the pass needs above its inputs: of the process's resident memory, on a device of the allocator's.
/// With `peers` DINOv2's code as it is published does the same in PyTorch (scripts/peers/loss.py).
std::vector<std::function<Figure()>> loss_cases(const LossBench& bench, bool peers);

}  // namespace eosin::apps
