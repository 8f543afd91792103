#include "core/base/stop.h"

#include <gtest/gtest.h>

#include <csignal>

namespace eosin {
namespace {

TEST(Stop, ASignalSetsTheFlag) {
  stop::install();
  for (const int number : {SIGTERM, SIGUSR2, SIGINT}) {
    stop::reset();
    EXPECT_FALSE(stop::requested());
    std::raise(number);
    EXPECT_TRUE(stop::requested());
  }
  stop::reset();
}

TEST(Stop, ASecondInterruptEndsTheProcess) {
  EXPECT_EXIT(
      {
        stop::install();
        std::raise(SIGINT);
        std::raise(SIGINT);
        std::exit(0);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace eosin
