#pragma once
// Files that are complete or absent, and logs of whole lines. A process killed at any moment leaves the old file or the new one.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace eosin {

/// A file written beside its name ("<path>.tmp") that takes its place on commit: write, fsync, rename, fsync of the folder.
///
/// Errors   Io, naming path and bytes, and the free space where the disk is full. Without commit() the temporary file is removed.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);
  void write(std::span<const uint8_t> bytes) { write({reinterpret_cast<const char*>(bytes.data()), bytes.size()}); }
  void commit();

 private:
  std::string path_, temporary_;
  int descriptor_;
};

/// For a file that a library writes: `write` makes "<path>.tmp" whole, which is then brought to the disk and renamed to `path`. Where `write`
/// throws, no temporary file stays. Errors: Io.
void write_beside(const std::string& path, const std::function<void(const std::string& temporary)>& write);
void write_file(const std::string& path, std::string_view bytes);
void write_file(const std::string& path, std::span<const uint8_t> bytes);
/// The whole file. Errors: Io.
std::string read_file(const std::string& path);

/// A file that grows by whole lines (JSON lines). A line that a kill cut short is removed when the file is opened again.
///
/// Errors   Io. A line that does not fit on the disk is taken back; those before it stay.
class AppendFile {
 public:
  explicit AppendFile(std::string path);
  ~AppendFile();
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;

  /// Adds `line` and a newline with one write. Not thread-safe.
  void append(std::string_view line);
  /// Waits until everything is on the disk.
  void sync();

 private:
  std::string path_;
  int descriptor_ = -1;
};

/// fsync of a folder, so that its names survive a power cut. Errors: Io.
void sync_folder(const std::string& folder);
/// Io error of a failed write: path, bytes that were needed, the reason, and the free space where the disk is full.
[[noreturn]] void fail_write(const std::string& path, uint64_t bytes, int code);

}  // namespace eosin
