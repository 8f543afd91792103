#include "core/base/parallel.h"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string_view>

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

/// Limits the processes of this user to none more; a thread counts as one. Root is not limited.
TEST(Parallel, AThreadThatCannotBeStartedIsAnErrorAndTheOthersEnd) {
  const auto without_threads = [](const auto& what) {
    if (fork() == 0) {
      constexpr uid_t kNobody = 65534;
      const rlimit none = {0, 0};
      if (setrlimit(RLIMIT_NPROC, &none) != 0 || (geteuid() == 0 && setuid(kNobody) != 0)) _exit(9);
      _exit(what());
    }
    int status = 0;
    wait(&status);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const int code = without_threads([] {
    try {
      parallel_for(1'000'000, 4, [](size_t) {});
    } catch (const Error& e) {
      return std::string_view(e.what()).find("no further thread after 0 of them") != std::string_view::npos && e.kind() == ErrorKind::Io ? 0 : 2;
    }
    return 1;
  });
  if (code == 9) GTEST_SKIP() << "this machine does not let a test limit its processes";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace eosin
