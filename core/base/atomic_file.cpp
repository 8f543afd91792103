#include "core/base/atomic_file.h"

#include "core/base/error.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace eosin {
namespace fs = std::filesystem;
namespace {

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

/// 0, or the errno of the write that failed.
int write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

int open_or_fail(const std::string& path, int flags, const char* purpose) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (descriptor < 0) fail_errno(fmt::format("[{}] cannot {}", path, purpose), errno);
  return descriptor;
}

/// Bytes up to and including the last newline.
off_t whole_lines(int descriptor, off_t size) {
  char block[4096];
  while (size > 0) {
    const off_t from = std::max<off_t>(0, size - static_cast<off_t>(sizeof block));
    const ssize_t got = ::pread(descriptor, block, static_cast<size_t>(size - from), from);
    if (got != size - from) return size;
    for (off_t i = size - from; i > 0; --i)
      if (block[i - 1] == '\n') return from + i;
    size = from;
  }
  return 0;
}

/// fsync of `temporary`, rename to `path`, fsync of the folder.
void commit_file(const std::string& temporary, const std::string& path) {
  const int descriptor = open_or_fail(temporary, O_RDONLY, "open the file");
  const int code = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (code != 0) fail_errno(fmt::format("[{}] cannot fsync", temporary), code);
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail_errno(fmt::format("[{}] cannot put the written file in its place", path), errno);
  sync_folder(folder_of(path));
}

}  // namespace

void fail_write(const std::string& path, uint64_t bytes, int code) {
  std::error_code ignored;
  const auto space = fs::space(folder_of(path), ignored);
  const bool full = code == ENOSPC || code == EDQUOT;
  fail(ErrorKind::Io, "[{}] cannot write {} bytes: {}{}", path, bytes, std::strerror(code),
       full && !ignored ? fmt::format(" ({} bytes free there); make room and run the same command again", space.available) : "");
}

void sync_folder(const std::string& folder) {
  const int descriptor = open_or_fail(folder, O_RDONLY | O_DIRECTORY, "open the folder");
  const int code = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (code != 0 && code != EINVAL) fail_errno(fmt::format("[{}] cannot fsync the folder", folder), code);  // EINVAL: the file system has none
}

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(path_ + ".tmp"), descriptor_(open_or_fail(temporary_, O_WRONLY | O_CREAT | O_TRUNC, "create the file")) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  if (const int code = write_all(descriptor_, bytes); code != 0) fail_write(path_, bytes.size(), code);
}

void AtomicFile::commit() {
  EOSIN_ASSERT(descriptor_ >= 0);
  if (::fsync(descriptor_) != 0) fail_errno(fmt::format("[{}] cannot fsync", temporary_), errno);
  const int descriptor = std::exchange(descriptor_, -1);
  int code = ::close(descriptor) == 0 ? 0 : errno;  // a network file system may report a failed write only here
  if (code == 0 && ::rename(temporary_.c_str(), path_.c_str()) != 0) code = errno;
  if (code != 0) {
    ::unlink(temporary_.c_str());
    fail_errno(fmt::format("[{}] cannot put the written file in its place", path_), code);
  }
  sync_folder(folder_of(path_));
}

void write_beside(const std::string& path, const std::function<void(const std::string& temporary)>& write) {
  const std::string temporary = path + ".tmp";
  try {
    write(temporary);
    commit_file(temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void write_file(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::string& path, std::span<const uint8_t> bytes) {
  write_file(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string read_file(const std::string& path) {
  const int descriptor = open_or_fail(path, O_RDONLY, "open the file");
  std::string bytes;
  char block[1 << 16];
  ssize_t got = 0;
  while ((got = ::read(descriptor, block, sizeof block)) > 0 || (got < 0 && errno == EINTR))
    if (got > 0) bytes.append(block, static_cast<size_t>(got));
  const int code = errno;
  ::close(descriptor);
  if (got < 0) fail_errno(fmt::format("[{}] cannot read", path), code);
  return bytes;
}

AppendFile::AppendFile(std::string path)
    : path_(std::move(path)), descriptor_(open_or_fail(path_, O_RDWR | O_CREAT | O_APPEND, "open for appending")) {
  const off_t size = ::lseek(descriptor_, 0, SEEK_END);
  if (size <= 0) return;
  const off_t whole = whole_lines(descriptor_, size);
  if (whole < size && ::ftruncate(descriptor_, whole) != 0) {
    const int code = errno;
    ::close(std::exchange(descriptor_, -1));
    fail_errno(fmt::format("[{}] cannot remove the broken last line", path_), code);
  }
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

AppendFile::AppendFile(AppendFile&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void AppendFile::append(std::string_view line) {
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  std::string text(line);
  text += '\n';
  const int code = write_all(descriptor_, text);
  if (code == 0) return;
  if (before >= 0 && ::ftruncate(descriptor_, before) != 0) {
    // the next opening removes the broken line
  }
  fail_write(path_, text.size(), code);
}

void AppendFile::sync() {
  if (::fdatasync(descriptor_) != 0 && errno != EINVAL) fail_errno(fmt::format("[{}] cannot fsync", path_), errno);
}

}  // namespace eosin
