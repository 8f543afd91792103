#include "core/base/process_group.h"

#include "core/base/error.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

namespace eosin {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

/// Runs shell scripts side by side and keeps their lines as "index out|err line".
struct Shells {
  std::vector<std::string> lines;
  GroupResult result;
  double seconds = 0;

  explicit Shells(const std::vector<std::string>& scripts, double grace_s = 10) {
    std::vector<ProcessSpec> specs;
    for (size_t i = 0; i < scripts.size(); ++i) specs.push_back({{"/bin/sh", "-c", scripts[i]}, {{"RANK", std::to_string(i)}}, {}});
    const auto begin = std::chrono::steady_clock::now();
    result = run_process_group(specs, {grace_s, [this](size_t k, bool err, const std::string& line) {
                                         lines.push_back(fmt::format("{} {} {}", k, err ? "err" : "out", line));
                                       }});
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
};

/// Sends a signal to this process once all the files are there.
std::thread signal_when(std::vector<std::string> files, int signal) {
  return std::thread([=] {
    const auto there = [](const std::string& file) { return std::filesystem::exists(file); };
    while (!std::all_of(files.begin(), files.end(), there)) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ::kill(::getpid(), signal);
  });
}

TEST(ProcessGroup, LinesOfAllAndNoFailure) {
  const Shells s({"echo one; echo $RANK", "echo two >&2; printf last"});
  EXPECT_THAT(s.lines, UnorderedElementsAre("0 out one", "0 out 0", "1 err two", "1 out last"));
  EXPECT_EQ(s.result.exit_code, 0);
  EXPECT_FALSE(s.result.failed);
}

TEST(ProcessGroup, FirstFailureEndsTheOthersAndIsReported) {
  const Shells s({"sleep 60", "sleep 0.2; exit 6", "sleep 60"});
  EXPECT_EQ(s.result.exit_code, 6);
  EXPECT_EQ(s.result.failed, 1U);
  EXPECT_LT(s.seconds, 10);
}

TEST(ProcessGroup, AProcessThatIgnoresTheEndIsKilled) {
  const Shells s({"trap '' TERM; while :; do sleep 0.1; done", "sleep 0.3; exit 4"}, 0.5);
  EXPECT_EQ(s.result.exit_code, 4);
  EXPECT_LT(s.seconds, 10);
}

TEST(ProcessGroup, KilledBySignalIsAFailure) {
  const Shells s({"kill -9 $$", "sleep 60"});
  EXPECT_EQ(s.result.exit_code, 128 + SIGKILL);
  EXPECT_EQ(s.result.failed, 0U);
}

TEST(ProcessGroup, StoppedOnRequestLetsOthersFinish) {
  const Shells s({"exit 75", "sleep 0.3; echo saved; exit 75"});
  EXPECT_EQ(s.result.exit_code, kExitStopped);
  EXPECT_FALSE(s.result.failed);
  EXPECT_THAT(s.lines, UnorderedElementsAre("1 out saved"));
}

TEST(ProcessGroup, SignalsAreForwardedOnceEach) {
  const TemporaryFolder folder;
  const std::string counts =
      "n=0; trap 'n=$((n+1)); echo $n' TERM; : > " + (folder / "$RANK") + "; i=0; while [ $i -lt 12 ]; do sleep 0.1; i=$((i+1)); done; exit 75";
  std::thread killer = signal_when({folder / "0", folder / "1"}, SIGTERM);
  const Shells s({counts, counts});
  killer.join();
  EXPECT_TRUE(s.result.interrupted);
  EXPECT_EQ(s.result.exit_code, kExitStopped);
  EXPECT_THAT(s.lines, IsSupersetOf({"0 out 1", "1 out 1"}));
  EXPECT_THAT(s.lines, Not(Contains(HasSubstr("out 2"))));
}

TEST(ProcessGroup, ManyLongLinesArriveWhole) {
  const Shells s({"i=0; while [ $i -lt 200 ]; do printf '%05000d\\n' $i; i=$((i+1)); done"});
  ASSERT_EQ(s.lines.size(), 200U);
  for (const auto& line : s.lines) ASSERT_EQ(line.size(), 5000 + 6);
}

TEST(ProcessGroup, ACommandThatCannotStartIsAnError) {
  const auto ignore = [](size_t, bool, const std::string&) {};
  try {
    run_process_group({{{"/bin/sleep", "60"}, {}, {}}, {{"/no/such/program"}, {}, {}}}, {10, ignore});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Io);
    EXPECT_THAT(e.what(), HasSubstr("/no/such/program: No such file"));
  }
}

}  // namespace
}  // namespace eosin
