#include "apps/bench_loss.h"
#include "apps/bench_step.h"
#include "apps/peak_memory.h"
#include "core/base/error.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <set>

namespace eosin::apps {
namespace {

StepBench read(const std::vector<std::string>& overrides) {
  config::Source source;
  for (const auto& o : overrides) source.override_with(o);
  StepBench bench;
  config::read(source, bench, "bench");
  return bench;
}

/// Of one method at a size that takes no time.
StepBench tiny(const std::string& method) {
  std::vector<std::string> keys = {"method.name=" + method, "model.name=vit_tiny", "model.image_size_px=32", "batch_size=2", "steps=1",
                                   "run.threads=1",         "run.device=cpu"};
  const auto add = [&](std::initializer_list<const char*> more) { keys.insert(keys.end(), more.begin(), more.end()); };
  if (method == "mae")
    add({"method.decoder_dim=16", "method.decoder_depth=1", "method.decoder_num_heads=2"});
  else if (method != "msn" && method != "dino" && method != "dinov2" && method != "ibot")
    add({"method.hidden_dim=16", "method.out_dim=8"});
  else
    add({"method.n_prototypes=64", "method.hidden_dim=16"});
  return read(keys);
}

TEST(BenchStep, TakesStepsOfEveryMethod) {
  for (const config::ConfigRow& method : ssl::method_table()) {
    if (std::set<std::string>{"distill", "gpfm", "distill_logits", "classify"}.count(method.name)) continue;  // need teachers or labels
    const StepBench bench = tiny(method.name);
    const auto cases = step_cases(bench, false);
    ASSERT_EQ(cases.size(), 1u);
    const Figure f = cases[0]();
    EXPECT_EQ(f.items, 2) << method.name;
    EXPECT_GT(f.flops, 1e7) << method.name;
    EXPECT_GT(f.peak_bytes, 1'000'000) << method.name;
    double stages = 0;
    for (const auto& [stage, seconds] : f.stages) stages += seconds;
    EXPECT_GT(stages, 0.5 * f.wall_seconds) << method.name;
    EXPECT_LE(stages, f.wall_seconds) << method.name;
  }
}

/// The formula: teacher forward and three times the student, here of two views of 4 patches and a class token without drop path. The patches'
/// projection has no gradient of its input; the projector and the loss are the small rest.
TEST(BenchStep, CountsThreeForwardPassesOfTheStudent) {
  StepBench bench = tiny("byol");
  bench.model.drop_path_rate = 0;
  const Figure f = step_cases(bench, false)[0]();
  const double dim = 192, tokens = 5, depth = 12, patches = 4 * 3 * 16 * 16 * dim;
  const double block = tokens * 12 * dim * dim + 2 * tokens * tokens * dim;
  const double images = 2 * 2, want = 2 * images * (4 * depth * block + 3 * patches);
  EXPECT_GT(f.flops, want);
  EXPECT_LT(f.flops, 1.01 * want);
}

TEST(BenchStep, RefusesWhatARunWouldRefuse) {
  const auto refused = [](std::vector<std::string> keys) { return message_of([&] { read(keys); }, ErrorKind::Config); };
  EXPECT_THAT(refused({"model.patch_size=15"}), testing::HasSubstr("patch"));
  EXPECT_THAT(refused({"method.name=simclr", "batch_size=1"}), testing::HasSubstr("too small for simclr"));
  EXPECT_THAT(refused({"method.name=mae", "views=dinov2"}), testing::HasSubstr("mae needs views"));
  EXPECT_THAT(refused({"views=dinov9"}), testing::HasSubstr("dinov"));
  EXPECT_THAT(message_of([] { step_cases(tiny("msn"), true); }, ErrorKind::Config), testing::HasSubstr("no peer for msn"));
}

TEST(PeakMemory, IsThatSinceItsStart) {
  constexpr int64_t kLarge = int64_t{64} << 20;
  at::ones({kLarge / 4});
  const PeakMemory memory(at::kCPU);
  EXPECT_LT(memory.growth(), kLarge / 4);  // what is gone does not count
  at::ones({kLarge / 4});
  EXPECT_GT(memory.growth(), kLarge * 9 / 10);
  EXPECT_LT(memory.growth(), kLarge * 3 / 2);
}

/// The logits of all rows would be 160 MB a copy, more than is kept; a chunk of them is 10 MB.
TEST(BenchLoss, NeedsLessThanOneCopyOfTheLogits) {
  LossBench bench;
  bench.rows = 640, bench.n_prototypes = 65536, bench.bottleneck_dim = 8, bench.run.threads = 1, bench.run.device = "cpu";
  const auto pass = loss_cases(bench, false)[0];
  pass();
  const Figure f = pass();
  EXPECT_EQ(f.items, 640);
  EXPECT_LT(f.peak_bytes, int64_t{160} << 20);
}

}  // namespace
}  // namespace eosin::apps
