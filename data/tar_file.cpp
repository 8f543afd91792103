#include "data/tar_file.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/file_kind.h"
#include "core/base/text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr size_t kBlock = 512;

struct Descriptor {
  explicit Descriptor(const std::string& path) : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd < 0) fail_errno(fmt::format("[{}] cannot open", path), errno);
  }
  ~Descriptor() { ::close(fd); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

/// The archive from one of its headers on, as libarchive asks for it.
class TarReader {
 public:
  TarReader(const std::string& path, uint64_t header) : path_(path), file_(path), bytes_(fs::file_size(path)), begin_(header), position_(header) {
    archive_read_support_format_tar(archive_.get());
    archive_read_set_read_callback(archive_.get(), read_block);
    archive_read_set_skip_callback(archive_.get(), skip_bytes);
    archive_read_set_callback_data(archive_.get(), this);
    if (archive_read_open1(archive_.get()) != ARCHIVE_OK) fail_here("is no tar archive");
  }

  /// The next plain file, or nothing at the end.
  std::optional<TarMember> next() {
    for (;;) {
      archive_entry* entry = nullptr;
      const int code = archive_read_next_header(archive_.get(), &entry);
      if (code == ARCHIVE_EOF) return std::nullopt;
      // A warning is a name that the C locale cannot show; the bytes are there.
      if (code != ARCHIVE_OK && code != ARCHIVE_WARN) fail_here("is damaged or truncated");
      if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) continue;
      return describe(entry);
    }
  }

  std::string read(const TarMember& member) {
    std::string bytes(member.bytes, '\0');
    const la_ssize_t got = archive_read_data(archive_.get(), bytes.data(), bytes.size());
    if (got < 0 || static_cast<uint64_t>(got) != member.bytes) fail_here(fmt::format("member '{}' is truncated", member.name));
    return bytes;
  }

 private:
  struct Free {
    void operator()(archive* a) const { archive_read_free(a); }
  };

  static la_ssize_t read_block(archive* a, void* self, const void** out) {
    auto& r = *static_cast<TarReader*>(self);
    const ssize_t got = ::pread(r.file_.fd, r.buffer_.data(), r.buffer_.size(), static_cast<off_t>(r.position_));
    if (got < 0) archive_set_error(a, errno, "cannot read");
    if (got > 0) r.position_ += static_cast<uint64_t>(got);
    *out = r.buffer_.data();
    return got;
  }

  static la_int64_t skip_bytes(archive*, void* self, la_int64_t bytes) {
    static_cast<TarReader*>(self)->position_ += static_cast<uint64_t>(bytes);
    return bytes;
  }

  TarMember describe(archive_entry* entry) const {
    const char* name = archive_entry_pathname(entry);
    TarMember member;
    member.name = name == nullptr ? "" : name;
    member.header = begin_ + static_cast<uint64_t>(archive_read_header_position(archive_.get()));
    const la_int64_t bytes = archive_entry_size(entry);
    const fs::path as_path(member.name);
    EOSIN_CHECK(!member.name.empty() && find_non_text(member.name) == std::string::npos, Data,
                "[{}] the member at byte {} has a name that is no UTF-8 text", path_, member.header);
    const bool leaves = as_path.is_absolute() || std::find(as_path.begin(), as_path.end(), "..") != as_path.end();
    EOSIN_CHECK(!leaves, Data, "[{}] the member '{}' has a name that leaves the archive's folder", path_, member.name);
    EOSIN_CHECK(bytes >= 0 && static_cast<uint64_t>(bytes) <= kLargestTarMember, Data, "[{}] the member '{}' claims {} bytes (need at most {})",
                path_, member.name, bytes, kLargestTarMember);
    member.bytes = static_cast<uint64_t>(bytes);
    EOSIN_CHECK(member.header + kBlock + member.bytes <= bytes_, Data, "[{}] is truncated within the member '{}'", path_, member.name);
    return member;
  }

  [[noreturn]] void fail_here(const std::string& what) {
    const char* reason = archive_error_string(archive_.get());
    fail(ErrorKind::Data, "[{}] {}{}", path_, what, reason ? fmt::format(" ({})", reason) : "");
  }

  const std::string path_;
  const Descriptor file_;
  const uint64_t bytes_, begin_;
  uint64_t position_;
  std::array<char, 65536> buffer_;
  std::unique_ptr<archive, Free> archive_{archive_read_new()};
};

/// An archive ends with blocks of zeros. Without them it may have been cut between two members, which nothing else would show.
void check_end(const std::string& path) {
  const uint64_t bytes = fs::file_size(path);
  std::array<char, kBlock> last{};
  const Descriptor file(path);
  const ssize_t got = bytes < kBlock ? -1 : ::pread(file.fd, last.data(), kBlock, static_cast<off_t>(bytes - kBlock));
  const bool ends = got == static_cast<ssize_t>(kBlock) && std::all_of(last.begin(), last.end(), [](char c) { return c == 0; });
  EOSIN_CHECK(ends, Data, "[{}] is no whole tar archive: its end mark is missing{}", path, kind_remark(path));
}

}  // namespace

void for_each_tar_member(const std::string& path, const std::function<void(const TarMember&, const std::function<std::string()>& read)>& use) {
  EOSIN_CHECK(fs::is_regular_file(path), Io, "[{}] is not a regular file", path);
  check_end(path);
  TarReader reader(path, 0);
  while (const auto member = reader.next()) use(*member, [&] { return reader.read(*member); });
}

std::string read_tar_member(const std::string& path, const TarMember& member) {
  TarReader reader(path, member.header);
  const auto found = reader.next();
  EOSIN_CHECK(found && found->name == member.name && found->bytes == member.bytes, Data, "[{}] has changed: member '{}' is not at byte {} any more",
              path, member.name, member.header);
  return reader.read(member);
}

struct TarWriter::Impl {
  explicit Impl(const std::string& p) : path(p), file(p), archive(archive_write_new()), entry(archive_entry_new()) {}
  ~Impl() {
    archive_entry_free(entry);
    archive_write_free(archive);
  }

  /// libarchive must not see our exceptions: one of the file's is kept until its call returns.
  static la_ssize_t write(struct archive* a, void* self, const void* bytes, size_t size) {
    auto& w = *static_cast<Impl*>(self);
    try {
      w.file.write(std::string_view(static_cast<const char*>(bytes), size));
    } catch (...) {
      w.failure = std::current_exception();
      archive_set_error(a, EIO, "cannot write");
      return -1;
    }
    w.bytes += size;
    return static_cast<la_ssize_t>(size);
  }

  void check(la_ssize_t code) {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    EOSIN_CHECK(code >= 0, Io, "[{}] cannot write: {}", path, archive_error_string(archive));
  }

  const std::string path;
  AtomicFile file;
  struct archive* archive;
  archive_entry* entry;
  uint64_t bytes = 0;
  std::exception_ptr failure;
};

TarWriter::TarWriter(const std::string& path) : impl_(std::make_unique<Impl>(path)) {
  archive* a = impl_->archive;
  archive_write_set_format_ustar(a);
  archive_write_set_bytes_per_block(a, 0);  // every member goes to the file at once
  impl_->check(archive_write_open(a, impl_.get(), nullptr, Impl::write, nullptr));
}

TarWriter::~TarWriter() = default;

void TarWriter::add(const std::string& name, std::string_view bytes) {
  archive_entry* e = archive_entry_clear(impl_->entry);
  archive_entry_set_pathname(e, name.c_str());
  archive_entry_set_size(e, static_cast<la_int64_t>(bytes.size()));
  archive_entry_set_filetype(e, AE_IFREG);
  archive_entry_set_perm(e, 0644);
  archive_entry_set_mtime(e, 0, 0);
  impl_->check(archive_write_header(impl_->archive, e));
  impl_->check(archive_write_data(impl_->archive, bytes.data(), bytes.size()));
}

uint64_t TarWriter::bytes() const { return impl_->bytes; }

void TarWriter::commit() {
  impl_->check(archive_write_close(impl_->archive));
  impl_->file.commit();
}

}  // namespace eosin::data
