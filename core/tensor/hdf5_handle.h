#pragma once
// Inside of hdf5*.cpp only: owned HDF5 ids, element types, and errors that carry HDF5's own innermost reason.
#include "core/base/error.h"
#include "core/tensor/hdf5.h"

#include <hdf5.h>

#include <utility>

namespace eosin::h5 {

/// Owns an HDF5 id.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close closer) : id_(id), close_(closer) {}
  Handle(Handle&& o) noexcept : id_(std::exchange(o.id_, -1)), close_(o.close_) {}
  Handle& operator=(Handle&& o) noexcept {
    std::swap(id_, o.id_);
    std::swap(close_, o.close_);
    return *this;
  }
  ~Handle() { close(); }
  operator hid_t() const { return id_; }
  bool ok() const { return id_ >= 0; }
  /// False if HDF5 says so; the id is given up in any case.
  bool close() { return id_ < 0 || close_(std::exchange(id_, -1)) >= 0; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

struct File::Impl {
  std::string path;
  uint64_t file_bytes = 0;  // when it was opened for reading
  Handle file;
  mutable bool heaps_checked = false;

  [[noreturn]] void fail_at(ErrorKind kind, const std::string& object, const std::string& what) const;
  /// Throws unless the object's path consists of existing hard links.
  void check_links(const std::string& object) const;
  Handle open_object(const std::string& object) const;
  Handle open_dataset(const std::string& dataset) const;
  /// Before an attribute of variable length is read by the library: throws if a global heap of the file is damaged (hdf5_heap_check.cpp).
  void check_heaps() const;
  /// Texts or byte lists of variable length: rows that exist of a one-dimensional data set (hdf5_heap.cpp).
  std::vector<std::string> read_lists(const std::string& dataset, const Info& info, uint64_t first, uint64_t rows) const;
};

/// Throws `kind` with HDF5's innermost reason (errno's text where there is one) behind `what`.
[[noreturn]] void fail_hdf5(ErrorKind kind, const std::string& path, const std::string& object, const std::string& what);

/// Once a thread: HDF5 prints nothing. Once a process: no plugins are loaded, lzf can be decoded.
void prepare_library();

/// Attributes (of groups: links too) stay in the object's header, whose checksum covers them; no times, so that equal input makes equal bytes.
void keep_attributes_in_header(hid_t creation_plist);
void keep_in_header(hid_t group_creation_plist);

/// Little-endian type for files and native type for memory; kText, kBytes and kOther have none.
Handle file_type(Type type);
Handle memory_type(Type type);
/// Fixed-length null-padded ASCII, or variable-length UTF-8 for 0 bytes.
Handle text_type(size_t bytes);
/// What a type of a file is to us.
Type classify(hid_t type);

/// Extents of a data space. Data error for a null space.
std::vector<uint64_t> extents(hid_t space, const std::string& path, const std::string& object);
/// Product of extents; Data error when it overflows.
uint64_t checked_product(const std::vector<uint64_t>& shape, uint64_t element_bytes, const std::string& path, const std::string& object);
/// Texts of `bytes` each, without their padding.
std::vector<std::string> split_fixed_text(const std::vector<char>& buffer, size_t bytes, H5T_str_t padding);

/// Decoder of h5py's lzf filter (id 32000) for HDF5's pipeline.
void register_lzf();

}  // namespace eosin::h5
