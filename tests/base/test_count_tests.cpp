// The closing line of scripts/test: what scripts/count_tests.py makes of ctest's report.
#include "tests/checkout.h"
#include "tests/temporary_folder.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace eosin {
namespace {

/// The line for one entry of ctest that ended so and printed this.
std::string counted(const std::string& status, const std::string& printed, const std::string& gtest_report = "") {
  const TemporaryFolder results;
  std::ofstream(results / "ctest.xml") << "<testsuite><testcase name=\"golden\" status=\"" << status << "\"><system-out>" << printed
                                       << "</system-out></testcase></testsuite>";
  if (!gtest_report.empty()) std::ofstream(results / "golden.json") << gtest_report;
  const std::string command = std::string("python3 '") + source_dir() + "/scripts/count_tests.py' '" + results.path().string() + "' 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  for (int c; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
  ::pclose(pipe);
  return output;
}

TEST(CountTests, AddsUpWhatWasReported) {
  EXPECT_EQ(counted("run", "ok\n5 passed, 0 failed, 2 skipped\n"), "5 passed, 0 failed, 2 skipped\n");
  EXPECT_EQ(counted("fail", "5 passed, 3 failed, 0 skipped\n"), "5 passed, 3 failed, 0 skipped\n");
  EXPECT_EQ(counted("run", "quiet"), "1 passed, 0 failed, 0 skipped\n");
  EXPECT_EQ(counted("notrun", ""), "0 passed, 0 failed, 1 skipped\n");
}

TEST(CountTests, AFailedEntryIsAFailureWhateverItsLogSays) {
  EXPECT_EQ(counted("fail", "crashed"), "0 passed, 1 failed, 0 skipped\n");
  EXPECT_EQ(counted("fail", "5 passed, 0 failed, 0 skipped\n"), "5 passed, 1 failed, 0 skipped\n");
  EXPECT_EQ(counted("fail", "", R"({"testsuites": [{"testsuite": [{"status": "RUN", "result": "COMPLETED"}]}]})"), "1 passed, 1 failed, 0 skipped\n");
}

}  // namespace
}  // namespace eosin
