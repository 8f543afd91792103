#include "apps/figure.h"

#include "core/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace eosin::apps {
namespace {

TEST(Figure, ReportsTheMedianAndTheRatio) {
  double ours = 0, theirs = 0;
  const auto rows = compare({[&] {
                               return Figure{"ours", 100, std::array{4.0, 1.0, 2.0}[static_cast<size_t>(ours++)], 1, 7};
                             },
                             [&] {
                               return Figure{"theirs", 10, std::array{5.0, 1.0, 2.0}[static_cast<size_t>(theirs++)], 1, 7};
                             }},
                            3);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["items_per_cpu_second"], 50);
  EXPECT_EQ(rows[0]["lowest"], 25);
  EXPECT_EQ(rows[0]["highest"], 100);
  EXPECT_FALSE(rows[0].contains("ratio"));
  EXPECT_EQ(rows[1]["ratio"], 10);
  EXPECT_TRUE(rows[1].contains("ratio_wall"));
  EXPECT_FALSE(rows[0].contains("tflop_per_second"));
}

TEST(Figure, ReportsOperationsAndStages) {
  const auto row = compare({[] {
                             Figure f{"ours", 10, 3.0, 4.0, 7};
                             f.flops = 8e12, f.stages = {{"forward", 1.0}, {"backward", 2.0}};
                             return f;
                           }},
                           1)[0];
  EXPECT_EQ(row["gflop_per_item"], 800);
  EXPECT_EQ(row["tflop_per_second"], 2);
  EXPECT_EQ(row["stages"]["forward"], 0.25);
  EXPECT_EQ(row["stages"]["backward"], 0.5);
}

TEST(Figure, CountsTheCpuOfItsWork) {
  const Figure f = timed("spin", [] {
    volatile double x = 0;
    for (int i = 0; i < 20'000'000; ++i) x = x + 1;
    return int64_t{3};
  });
  EXPECT_EQ(f.items, 3);
  EXPECT_GT(f.cpu_seconds, 0.001);
  EXPECT_GT(f.peak_bytes, 1'000'000);
}

TEST(Figure, SaysWhyAPeerFailed) {
  setenv("EOSIN_PYTHON", "false", 1);
  try {
    run_peer("store.py", {});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Config);
    EXPECT_THAT(e.what(), testing::HasSubstr("scripts/setup --python"));
  }
  setenv("EOSIN_PYTHON", "echo", 1);  // prints its arguments: no JSON
  EXPECT_THROW(run_peer("store.py", {}), Error);
  unsetenv("EOSIN_PYTHON");
  EXPECT_THROW(run_peer("no_such_peer.py", {}), Error);
}

}  // namespace
}  // namespace eosin::apps
