#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/file_lock.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

namespace eosin {
namespace {
namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

template <class F>
std::string io_error(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Io);
    return e.what();
  }
  return "";
}

/// No file may grow beyond `bytes`: a write then fails as on a full disk, with another errno.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

class Files : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }
  TemporaryFolder folder_;
};

TEST_F(Files, WritesAllOrNothing) {
  write_file(path("a"), "one");
  write_file(path("a"), "two");
  EXPECT_EQ(read_file(path("a")), "two");
  { AtomicFile(path("a")).write("three"); }  // never committed
  EXPECT_EQ(read_file(path("a")), "two");
  EXPECT_FALSE(fs::exists(path("a.tmp")));
}

TEST_F(Files, BytesSurvive) {
  std::string bytes(100'003, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  write_file(path("a"), bytes);
  EXPECT_EQ(read_file(path("a")), bytes);
}

TEST_F(Files, FailedWriteKeepsTheOldFile) {
  write_file(path("a"), "old");
  {
    const FileSizeLimit limit(1000);
    EXPECT_THAT(io_error([&] { write_file(path("a"), std::string(5000, 'x')); }), HasSubstr("a] cannot write 5000 bytes: File too large"));
  }
  EXPECT_EQ(read_file(path("a")), "old");
  EXPECT_FALSE(fs::exists(path("a.tmp")));
}

TEST_F(Files, FullDiskSaysHowMuchIsFree) {
  EXPECT_THAT(io_error([&] { fail_write(path("a"), 12, ENOSPC); }),
              ContainsRegex("a\\] cannot write 12 bytes: No space left on device \\([0-9]+ bytes free"));
  AppendFile full("/dev/full");
  EXPECT_THAT(io_error([&] { full.append("{}"); }), HasSubstr("[/dev/full] cannot write 3 bytes: No space left on device"));
}

TEST_F(Files, ErrorsNameTheFile) {
  EXPECT_THAT(io_error([&] { write_file(path("no/folder"), ""); }), HasSubstr("no/folder.tmp] cannot create the file: No such file"));
  EXPECT_THAT(io_error([&] { read_file(path("nothing")); }), HasSubstr("nothing] cannot open the file: No such file"));
  EXPECT_THAT(io_error([&] { read_file(folder_.path().string()); }), HasSubstr("cannot read: Is a directory"));
}

TEST_F(Files, AppendAddsWholeLines) {
  {
    AppendFile file(path("x.jsonl"));
    file.append("{\"step\": 1}");
    file.append("{\"step\": 2}");
    file.sync();
  }
  AppendFile(path("x.jsonl")).append("3");
  EXPECT_EQ(read_file(path("x.jsonl")), "{\"step\": 1}\n{\"step\": 2}\n3\n");
}

TEST_F(Files, BrokenLastLineIsRemovedOnOpening) {
  const std::string line(6000, 'a');  // longer than one block of the search
  std::ofstream(path("x")) << line << "\n" << line;
  AppendFile(path("x")).append("b");
  EXPECT_EQ(read_file(path("x")), line + "\nb\n");
  std::ofstream(path("y")) << "no newline at all";
  AppendFile(path("y")).append("b");
  EXPECT_EQ(read_file(path("y")), "b\n");
}

TEST_F(Files, LineThatDoesNotFitIsTakenBack) {
  AppendFile file(path("x"));
  file.append("first");
  {
    const FileSizeLimit limit(1000);
    EXPECT_THAT(io_error([&] { file.append(std::string(5000, 'x')); }), HasSubstr("cannot write 5001 bytes"));
  }
  file.append("second");
  EXPECT_EQ(read_file(path("x")), "first\nsecond\n");
}

TEST_F(Files, LockNamesItsHolder) {
  const FileLock mine(path("lock"), "runs/a");
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  EXPECT_EQ(io_error([&] { FileLock(path("lock"), "runs/a"); }),
            fmt::format("[runs/a] is in use by process {} on {}; wait for it to end, or stop it", ::getpid(), host));
}

TEST_F(Files, LockEndsWithItsHolder) {
  { const FileLock first(path("lock"), "a"); }
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const FileLock held(path("lock"), "a");
    (void)!::write(ready[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(io_error([&] { FileLock(path("lock"), "a"); }), HasSubstr(fmt::format("process {} on", child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(io_error([&] { FileLock(path("lock"), "a"); }), "");
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace eosin
