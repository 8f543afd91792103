#include "core/tensor/device.h"

#include "core/base/error.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::device {
namespace {

using ::testing::HasSubstr;

TEST(Device, Words) {
  EXPECT_EQ(choose("cpu"), c10::Device(c10::kCPU));
  EXPECT_EQ(choose("auto").is_cuda(), cuda().available);
  for (const char* bad : {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "CPU"})
    EXPECT_THAT(message_of([&] { choose(bad); }, ErrorKind::Config), HasSubstr("need cpu, cuda, cuda:N or auto")) << bad;
}

TEST(Device, CudaThatCannotBeHadSaysWhy) {
  if (cuda().available) {
    EXPECT_THAT(message_of([&] { choose("cuda:4096"); }, ErrorKind::Config), HasSubstr("does not exist"));
    return;
  }
  EXPECT_FALSE(cuda().why_not.empty());
  EXPECT_THAT(message_of([&] { choose("cuda"); }, ErrorKind::Config), HasSubstr(cuda().why_not));
  EXPECT_THROW(cuda_function("eosin_cuda_adamw_f32"), Error);
}

TEST(Device, PrepareSetsThreadsAndSeed) {
  RunConfig run;
  run.device = "cpu";
  run.threads = 2;
  run.seed = 5;
  EXPECT_TRUE(prepare(run).is_cpu());
  EXPECT_EQ(at::get_num_threads(), 2);
  const Tensor first = at::rand({7});
  prepare(run);
  EXPECT_TRUE(at::equal(at::rand({7}), first));
  EXPECT_TRUE(at::globalContext().deterministicAlgorithms());
  set_deterministic(false);
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
  set_threads(1);
}

TEST(Device, AutocastLastsAsLongAsItsGuard) {
  const Tensor a = at::ones({3, 5}), b = at::ones({5, 7});
  {
    const Autocast outer(c10::kCPU, c10::kBFloat16);
    EXPECT_EQ(at::mm(a, b).scalar_type(), at::kBFloat16);
    {
      const Autocast nothing(c10::kCPU, c10::kFloat);
      EXPECT_EQ(at::mm(a, b).scalar_type(), at::kBFloat16);
    }
  }
  EXPECT_EQ(at::mm(a, b).scalar_type(), at::kFloat);
  EXPECT_THROW(Autocast(c10::kCPU, c10::kDouble), Error);
}

TEST(Device, PeakMemoryGrows) {
  const int64_t before = peak_memory();
  EXPECT_GT(before, 10 << 20);
  const Tensor big = at::ones({1 << 26}, at::kByte);
  EXPECT_GE(peak_memory(), before);
}

}  // namespace
}  // namespace eosin::device
