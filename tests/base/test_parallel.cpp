#include "core/base/parallel.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace eosin {
namespace {

TEST(Parallel, CallsEveryIndexOnce) {
  for (const int64_t threads : {1, 3, 20}) {
    std::vector<std::atomic<int>> calls(11);
    parallel_for(calls.size(), threads, [&](size_t i) { ++calls[i]; });
    for (const auto& c : calls) EXPECT_EQ(c, 1);
  }
  parallel_for(0, 3, [](size_t) { FAIL(); });
}

TEST(Parallel, AnExceptionEndsTheLoopAndComesBack) {
  std::atomic<int> calls = 0;
  const auto fail_at_seven = [&](size_t i) {
    ++calls;
    if (i == 7) throw std::runtime_error("seven");
  };
  EXPECT_THROW(parallel_for(1'000'000, 1, fail_at_seven), std::runtime_error);
  EXPECT_EQ(calls, 8);
  EXPECT_THROW(parallel_for(1'000'000, 3, fail_at_seven), std::runtime_error);
}

}  // namespace
}  // namespace eosin
