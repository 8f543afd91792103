#include "core/base/file_lock.h"

#include "core/base/error.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace eosin {
namespace {

std::string holder(int descriptor) {
  char text[300] = {};
  if (::pread(descriptor, text, sizeof text - 1, 0) <= 0) return "another process";
  std::string host(text), pid;
  host.resize(host.find_last_not_of("\n ") + 1);
  const size_t space = host.rfind(' ');
  if (space == std::string::npos) return "another process";
  pid = host.substr(space + 1);
  host.resize(space);
  return fmt::format("process {} on {}", pid, host);
}

}  // namespace

FileLock::FileLock(std::string path, const std::string& what) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_errno(fmt::format("[{}] cannot create the lock", path_), errno);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    const std::string who = holder(descriptor_);
    ::close(std::exchange(descriptor_, -1));
    if (code != EWOULDBLOCK) fail_errno(fmt::format("[{}] cannot lock", path_), code);
    fail(ErrorKind::Io, "[{}] is in use by {}; wait for it to end, or stop it", what, who);
  }
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const std::string text = fmt::format("{} {}\n", host, ::getpid());
  if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, text.data(), text.size(), 0) < 0) {
    const int code = errno;
    ::close(std::exchange(descriptor_, -1));
    fail_errno(fmt::format("[{}] cannot write the lock", path_), code);
  }
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FileLock::FileLock(FileLock&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace eosin
