#pragma once
// The bytes of a shard: a plain descriptor for records, a mapping for the index, and errors where the system would send a signal.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

namespace eosin::data {

/// An open file and its bytes as memory, shared by all processes of a machine.
///
/// A mapped page that cannot be read (the file was truncated after it was opened, its disk fails) is a bus error, which ends a process. Inside
/// look() it is an Io error of the thread that looked. Thread-safe.
/// Errors   Io if the file cannot be opened or mapped.
/// Checked  tests/data/test_store.cpp: truncated after opening.
class ShardFile {
 public:
  explicit ShardFile(const std::string& path);
  ~ShardFile();
  ShardFile(const ShardFile&) = delete;
  ShardFile& operator=(const ShardFile&) = delete;

  int descriptor() const { return fd_; }
  size_t size() const { return size_; }
  /// Part of the mapping; its elements are read within look().
  std::span<const uint8_t> bytes(uint64_t offset, uint64_t n) const;
  /// Calls `f`, which reads the mapping; it may throw, and holds nothing that a jump out of it would lose. Errors   Io naming the file.
  template <class F>
  void look(F&& f) const {
    if (!survives([](void* g) { (*static_cast<std::remove_reference_t<F>*>(g))(); }, &f)) fail_look();
  }
  /// Gives the mapping's pages back; they come again when they are read.
  void let_go() const;

 private:
  static bool survives(void (*f)(void*), void* argument);
  [[noreturn]] void fail_look() const;

  std::string path_;
  int fd_ = -1;
  size_t size_ = 0;
  void* map_ = nullptr;
};

}  // namespace eosin::data
