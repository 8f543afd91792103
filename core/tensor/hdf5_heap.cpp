// What has a variable length lies in HDF5's global heap. The library (1.10) trusts a damaged heap's indices and crashes, so it is read here:
// 16 bytes a row (length, address of a collection, index in it), and collections of numbered objects (HDF5 file format, III.E).
#include "core/tensor/hdf5_handle.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace eosin::h5 {
namespace {

constexpr uint64_t kBudget = uint64_t{256} << 20;  // for one read
constexpr uint64_t kRowBytes = 16, kCollectionHead = 16, kObjectHead = 16;

template <class T>
T value_at(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// Positional reads of a file that is not trusted.
class Heap {
 public:
  Heap(const std::string& path, uint64_t file_bytes) : path_(path), file_bytes_(file_bytes), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) fail_errno(fmt::format("[{}] cannot open", path), errno);
  }
  ~Heap() { ::close(fd_); }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  std::string read(uint64_t offset, uint64_t bytes) const {
    EOSIN_CHECK(offset <= file_bytes_ && bytes <= file_bytes_ - offset, Data,
                "[{}] points to bytes [{}, +{}) of a file of {}: it is damaged or truncated", path_, offset, bytes, file_bytes_);
    std::string out(bytes, '\0');
    const ssize_t got = ::pread(fd_, out.data(), bytes, static_cast<off_t>(offset));
    if (got < 0) fail_errno(fmt::format("[{}] cannot read", path_), errno);
    EOSIN_CHECK(static_cast<uint64_t>(got) == bytes, Io, "[{}] became shorter while it was read", path_);
    return out;
  }

  /// What a row's 16 bytes stand for.
  std::string object(const char* row) {
    const auto length = value_at<uint32_t>(row), index = value_at<uint32_t>(row + 12);
    const auto address = value_at<uint64_t>(row + 4);
    if (length == 0) return {};
    load(address);
    const auto found = objects_.find(index);
    EOSIN_CHECK(found != objects_.end() && length <= found->second.second, Data, "[{}] has no {} bytes at object {} of the heap at {}: it is damaged",
                path_, length, index, address);
    return collection_.substr(found->second.first, length);
  }

 private:
  void load(uint64_t address) {
    if (!collection_.empty() && address == address_) return;
    const std::string head = read(address, kCollectionHead);
    const auto bytes = value_at<uint64_t>(head.data() + 8);
    EOSIN_CHECK(head.starts_with(std::string_view("GCOL\1", 5)) && bytes >= kCollectionHead && bytes <= kBudget, Data,
                "[{}] has no heap at byte {}: it is damaged", path_, address);
    collection_ = read(address, bytes);
    address_ = address;
    objects_.clear();
    for (uint64_t at = kCollectionHead; at + kObjectHead <= bytes;) {
      const auto index = value_at<uint16_t>(collection_.data() + at);
      const auto size = value_at<uint64_t>(collection_.data() + at + 8);
      if (index == 0) return;  // the rest is free
      EOSIN_CHECK(size <= bytes - at - kObjectHead, Data, "[{}] the heap at byte {} is damaged", path_, address);
      objects_[index] = {at + kObjectHead, size};
      at += kObjectHead + (size + 7) / 8 * 8;
    }
  }

  const std::string path_;
  const uint64_t file_bytes_;
  const int fd_;
  uint64_t address_ = 0;
  std::string collection_;                                     // the one that was read last
  std::map<uint32_t, std::pair<uint64_t, uint64_t>> objects_;  // of it: index -> place and size
};

/// Where the 16 bytes of row `row` of a one-dimensional data set lie in the file.
uint64_t row_offset(hid_t dataset, const Info& info, uint64_t row, const std::string& path, const std::string& name) {
  if (info.chunk.empty()) {
    EOSIN_CHECK(info.offset, Data, "[{}] {}: was not written", path, name);
    return *info.offset + row * kRowBytes;
  }
  const hsize_t coords = row / info.chunk[0] * info.chunk[0];
  unsigned filters = 0;
  haddr_t address = 0;
  hsize_t bytes = 0;
  const herr_t found = H5Dget_chunk_info_by_coord(dataset, &coords, &filters, &address, &bytes);
  EOSIN_CHECK(found >= 0 && address != HADDR_UNDEF && bytes == info.chunk[0] * kRowBytes, Data, "[{}] {}: the chunk of row {} was not written whole",
              path, name, row);
  return address + (row - coords) * kRowBytes;
}

}  // namespace

std::vector<std::string> File::Impl::read_lists(const std::string& dataset, const Info& info, uint64_t first, uint64_t rows) const {
  const Handle h = open_dataset(dataset), plist(H5Dget_create_plist(h), H5Pclose), created(H5Fget_create_plist(file), H5Pclose);
  hsize_t user_block = 0;
  size_t address_bytes = 0, length_bytes = 0;
  H5Pget_userblock(created, &user_block);
  H5Pget_sizes(created, &address_bytes, &length_bytes);
  EOSIN_CHECK(user_block == 0 && address_bytes == 8 && length_bytes == 8 && H5Pget_nfilters(plist) == 0, Data,
              "[{}] {}: what has a variable length is read without filters, user block and with 8-byte addresses only", path, dataset);
  Heap heap(path, file_bytes);
  std::vector<std::string> out;
  uint64_t left = kBudget;
  for (uint64_t row = first; row < first + rows; ++row) {
    out.push_back(heap.object(heap.read(row_offset(h, info, row, path, dataset), kRowBytes).data()));
    EOSIN_CHECK(out.back().size() <= left, Data, "[{}] {}: more than 256 MiB at once", path, dataset);
    left -= out.back().size();
  }
  return out;
}

}  // namespace eosin::h5
