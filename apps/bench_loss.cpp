#include "apps/bench_loss.h"

#include "apps/peak_memory.h"
#include "core/base/error.h"
#include "core/tensor/comm.h"
#include "core/tensor/device.h"
#include "ssl/prototype_loss.h"
#include "ssl/soft_targets.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::apps {
namespace {

constexpr double kTeacherTemp = 0.07, kStudentTemp = 0.1;

/// Points on the unit sphere and prototypes, of student and teacher.
struct LossInputs {
  Tensor points_ND, prototypes_KD, teacher_points_ND, teacher_prototypes_KD;
};

LossInputs draw_inputs(const LossBench& c, c10::Device where) {
  const auto unit_rows = [&](int64_t rows) {
    const Tensor x = at::randn({rows, c.bottleneck_dim}, at::TensorOptions(where));
    return x / x.norm(2, -1, true);
  };
  return {unit_rows(c.rows).requires_grad_(), unit_rows(c.n_prototypes).requires_grad_(), unit_rows(c.rows), unit_rows(c.n_prototypes)};
}

int64_t pass(const LossBench& c, const LossInputs& in, c10::Device where) {
  const auto comm = make_single_comm();
  Tensor loss;
  {
    const device::Autocast autocast(where, c.precision == "bf16" ? at::kBFloat16 : at::kFloat);
    const ssl::SoftTargets targets =
        ssl::sinkhorn_targets(in.teacher_points_ND, in.teacher_prototypes_KD, kTeacherTemp, c.sinkhorn_iterations, *comm);
    loss = ssl::pair_cross_entropy(in.points_ND, in.prototypes_KD, kStudentTemp, targets).mean();
  }
  loss.backward();
  EOSIN_CHECK(std::isfinite(loss.item<double>()), Numeric, "[bench] the loss of random points is not finite");
  for (const Tensor* t : {&in.points_ND, &in.prototypes_KD}) t->mutable_grad() = Tensor();
  return c.rows;
}

}  // namespace

std::vector<std::function<Figure()>> loss_cases(const LossBench& c, bool peers) {
  RunConfig run;
  run.seed = c.run.seed, run.threads = c.run.threads, run.device = c.run.device;
  const c10::Device where = device::prepare(run);
  const LossInputs inputs = draw_inputs(c, where);
  std::vector<std::function<Figure()>> cases = {[=] {
    const PeakMemory memory(where);
    Figure figure = timed("eosin", [&] { return pass(c, inputs, where); });
    figure.peak_bytes = memory.growth();
    return figure;
  }};
  if (peers)
    cases.push_back([=] {
      return run_peer("loss.py", {"--rows", std::to_string(c.rows), "--prototypes", std::to_string(c.n_prototypes), "--dim",
                                  std::to_string(c.bottleneck_dim), "--iterations", std::to_string(c.sinkhorn_iterations), "--threads",
                                  std::to_string(c.run.used_threads()), "--precision", c.precision, "--device", where.is_cuda() ? "cuda" : "cpu"});
    });
  return cases;
}

}  // namespace eosin::apps
