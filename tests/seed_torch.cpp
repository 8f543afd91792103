// Torch's own generator starts from the machine's entropy in C++: every test that draws from it draws the same each time.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace {

struct SeedTorch final : testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { at::manual_seed(0); }
};

[[maybe_unused]] const bool added = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new SeedTorch);
  return true;
}();

}  // namespace
