#include "data/shard_file.h"

#include "core/base/error.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <mutex>

namespace eosin::data {
namespace {

thread_local sigjmp_buf* escape = nullptr;  // set while this thread looks into a mapping
struct sigaction before_us;

void on_bus_error(int, siginfo_t*, void* context) {
  if (escape) {
    ::pthread_sigmask(SIG_SETMASK, &static_cast<ucontext_t*>(context)->uc_sigmask, nullptr);  // a jump does not unblock the signal
    siglongjmp(*escape, 1);
  }
  ::sigaction(SIGBUS, &before_us, nullptr);  // not ours: the fault comes again and is handled as it would have been
}

void catch_bus_errors() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGBUS, &action, &before_us);
  });
}

}  // namespace

ShardFile::ShardFile(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (fd_ < 0) fail_errno(fmt::format("[{}] cannot open", path), errno);
  struct stat status {};
  int code = ::fstat(fd_, &status) == 0 ? 0 : errno;
  size_ = static_cast<size_t>(status.st_size);
  if (code == 0) map_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd_, 0);
  if (map_ == MAP_FAILED) code = errno;
  if (code != 0) {
    ::close(fd_);
    fail_errno(fmt::format("[{}] cannot map", path), code);
  }
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_RANDOM);
  catch_bus_errors();
}

ShardFile::~ShardFile() {
  ::munmap(map_, size_);
  ::close(fd_);
}

std::span<const uint8_t> ShardFile::bytes(uint64_t offset, uint64_t n) const {
  EOSIN_ASSERT(offset <= size_ && n <= size_ - offset);
  return {static_cast<const uint8_t*>(map_) + offset, n};
}

void ShardFile::let_go() const { ::madvise(map_, size_, MADV_DONTNEED); }

bool ShardFile::survives(void (*f)(void*), void* argument) {
  struct Restore {
    sigjmp_buf* outer;
    ~Restore() { escape = outer; }
  } const restore{escape};
  sigjmp_buf here;
  if (sigsetjmp(here, 0) != 0) return false;
  escape = &here;
  f(argument);
  return true;
}

void ShardFile::fail_look() const {
  fail(ErrorKind::Io, "[{}] its index cannot be read any more: it was truncated after it was opened, or its disk fails", path_);
}

}  // namespace eosin::data
