#include "core/base/mapped_file.h"

#include "core/base/error.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace eosin {
namespace {

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace

MappedFile map_file(const std::string& path) {
  const Descriptor fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (fd.number < 0) fail_errno(fmt::format("[{}] cannot open", path), errno);
  struct stat st {};
  EOSIN_CHECK(::fstat(fd.number, &st) == 0 && S_ISREG(st.st_mode), Io, "[{}] is not a regular file", path);
  const auto size = static_cast<size_t>(st.st_size);
  if (size == 0) return {};
  void* p = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.number, 0);
  if (p == MAP_FAILED) fail_errno(fmt::format("[{}] cannot map {} bytes", path, size), errno);
  return {std::shared_ptr<void>(p, [size](void* q) { ::munmap(q, size); }), {static_cast<uint8_t*>(p), size}};
}

}  // namespace eosin
