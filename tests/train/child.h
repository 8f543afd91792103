#pragma once
// The processes that tests start: bin/toy_train with keys, in a fresh folder.
#include "tests/checkout.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace eosin::train {

/// A child that is killed with its owner.
class Child {
 public:
  explicit Child(const std::vector<std::string>& keys) {
    const std::string program = binary_dir() + "/bin/toy_train";
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (const auto& key : keys) argv.push_back(const_cast<char*>(key.c_str()));
    argv.push_back(nullptr);
    if (posix_spawn(&pid_, program.c_str(), nullptr, nullptr, argv.data(), environ) != 0) pid_ = -1;
  }
  Child(Child&& other) noexcept : pid_(other.pid_) { other.pid_ = -1; }
  ~Child() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    wait();
  }
  void signal(int number) const { kill(pid_, number); }
  /// The exit code; minus the signal's number if one ended it.
  int wait() {
    int status = 0;
    if (pid_ < 0 || waitpid(pid_, &status, 0) < 0) return -1000;
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  bool running() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
  }

 private:
  pid_t pid_ = -1;
};

inline void sleep_ms(int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// A port that was free a moment ago.
inline int free_port() {
  const int s = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  bind(s, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(s, reinterpret_cast<sockaddr*>(&address), &size);
  close(s);
  return ntohs(address.sin_port);
}

struct FolderTest : testing::Test {
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "eosin-train-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string dir(const std::string& name) const { return "dir=" + folder + "/" + name; }
  std::string folder;
};

}  // namespace eosin::train
