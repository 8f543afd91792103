#pragma once
// Runs the real binary as a user would and keeps what it said.
#include "tests/checkout.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace eosin::system_test {
namespace fs = std::filesystem;

/// A folder of the test's own, removed at its end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "eosin-system-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_text(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

struct Outcome {
  int code = -1;  // exit code, or -signal
  std::string out, err;
  double cpu_seconds = 0;  // of the process itself: wall time says more about the machine's other work
  nlohmann::json json() const { return nlohmann::json::parse(out); }
  /// The last line of stderr.
  std::string last_error_line() const {
    std::istringstream in(err);
    std::string line, last;
    while (std::getline(in, line))
      if (!line.empty()) last = line;
    return last;
  }
};

/// A started eosin; its output goes to files so that no pipe can fill.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments, const std::string& folder = "") {
    static int count = 0;
    prefix_ = (fs::temp_directory_path() / ("eosin-out-" + std::to_string(getpid()) + "-" + std::to_string(count++))).string();
    pid_ = fork();
    if (pid_ == 0) {
      if (!folder.empty() && chdir(folder.c_str()) != 0) _exit(126);
      if (!freopen((prefix_ + ".out").c_str(), "w", stdout) || !freopen((prefix_ + ".err").c_str(), "w", stderr)) _exit(126);
      std::vector<char*> argv;
      std::string binary = binary_dir() + "/bin/eosin";
      argv.push_back(binary.data());
      for (auto& a : arguments) argv.push_back(a.data());
      argv.push_back(nullptr);
      execv(binary.c_str(), argv.data());
      _exit(127);
    }
  }
  pid_t pid() const { return pid_; }
  void signal(int number) const { kill(pid_, number); }

  Outcome wait() {
    int status = 0;
    rusage used{};
    wait4(pid_, &status, 0, &used);
    Outcome o;
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    for (const timeval& t : {used.ru_utime, used.ru_stime}) o.cpu_seconds += static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    o.out = read_text(prefix_ + ".out");
    o.err = read_text(prefix_ + ".err");
    fs::remove(prefix_ + ".out");
    fs::remove(prefix_ + ".err");
    return o;
  }

 private:
  pid_t pid_ = -1;
  std::string prefix_;
};

inline Outcome eosin(std::vector<std::string> arguments, const std::string& folder = "") { return Program(std::move(arguments), folder).wait(); }

/// Real slides and tiles: $EOSIN_TEST_DATA, else ../shared/data beside the checkout; empty when absent.
inline std::string test_data(const std::string& name) {
  const char* set = std::getenv("EOSIN_TEST_DATA");
  const fs::path root = set ? fs::path(set) : fs::path(source_dir()).parent_path() / "shared/data";
  return fs::exists(root / name) ? (root / name).string() : "";
}

}  // namespace eosin::system_test
