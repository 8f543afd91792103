#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/progress_line.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin {
namespace {
using ::testing::ContainsRegex;

class Log : public ::testing::Test {
 protected:
  ~Log() override {
    log::set_file("");
    log::set_level(log::Level::Info);
    log::set_rank(0, 1);
  }
  TemporaryFolder folder_;
};

TEST_F(Log, FileHasTimeAndRankAndIsAppended) {
  log::set_level(log::Level::Off);  // stderr only; the file has Info and above
  log::set_rank(3, 4);
  log::set_file(folder_ / "log.txt");
  log::debug("hidden");
  log::info("step {}", 1);
  log::set_file("");
  log::info("nowhere");
  log::set_file(folder_ / "log.txt");
  log::warn("late");
  const std::string time = "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\\.[0-9]{3} ";
  EXPECT_THAT(read_file(folder_ / "log.txt"), ContainsRegex("^" + time + "\\[rank 3\\] info: step 1\n" + time + "\\[rank 3\\] warning: late\n$"));
}

TEST_F(Log, StderrHasWordsForAllButInfo) {
  ::testing::internal::CaptureStderr();
  log::info("plain");
  log::warn("beware");
  log::debug("hidden");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "plain\nwarning: beware\n");
}

TEST_F(Log, OtherRanksOnlyWarn) {
  log::set_rank(1, 2);
  ::testing::internal::CaptureStderr();
  log::info("quiet");
  log::warn("loud");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "[rank 1] warning: loud\n");
  EXPECT_FALSE(log::shows(log::Level::Info));
}

TEST_F(Log, FileThatCannotBeOpenedIsAnIoError) {
  try {
    log::set_file("/proc/nowhere/log.txt");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Io);
  }
}

TEST(Progress, Formats) {
  EXPECT_EQ(format_progress("tile", "slides", 120, 400, 0, 48, ""), "[tile] 120/400 slides, 30%, 2.5/s, 1:52 left");
  EXPECT_EQ(format_progress("tile", "slides", 120, 400, 100, 40, "x"), "[tile] 120/400 slides, 30%, 2.0 s each, 9:20 left, x");
  EXPECT_EQ(format_progress("embed", "tiles", 20'000, 0, 0, 10, ""), "[embed] 20000 tiles, 2000/s");
  EXPECT_EQ(format_progress("step", "steps", 5, 5, 0, 1, "loss 1.5"), "[step] 5/5 steps, 100%, 5.0/s, loss 1.5");
  EXPECT_EQ(format_progress("step", "steps", 0, 5, 0, 0, ""), "[step] 0/5 steps, 0%");
  EXPECT_EQ(format_progress("step", "steps", 1, 2, 0, 7261, ""), "[step] 1/2 steps, 50%, 7261.0 s each, 2:01:01 left");
}

TEST(Progress, SaysNothingBeforeAPlainLineIsDue) {
  ::testing::internal::CaptureStderr();
  {
    ProgressLine line("test", "items", 3);
    for (int i = 0; i < 3; ++i) line.add();
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace eosin
