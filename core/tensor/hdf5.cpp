#include "core/tensor/hdf5.h"

#include "core/base/file_kind.h"
#include "core/tensor/hdf5_handle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace eosin::h5 {
namespace {

constexpr uint64_t kBudget = uint64_t{256} << 20;  // memory for data whose size the file does not vouch for
constexpr uint64_t kMaxRatio = 16;                 // beyond the budget: bytes in memory for each byte in the file

Handle access_plist() {
  Handle plist(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fclose_degree(plist, H5F_CLOSE_STRONG);
  H5Pset_file_locking(plist, 0, 1);
  return plist;
}

/// Size of a readable regular file; Io error otherwise.
uint64_t regular_file_size(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail_errno(fmt::format("[{}] cannot open", path), errno);
  struct stat st {};
  const bool regular = ::fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  ::close(fd);
  EOSIN_CHECK(regular, Io, "[{}] is not a regular file", path);
  return static_cast<uint64_t>(st.st_size);
}

herr_t collect_name(hid_t, const char* name, const H5L_info_t*, void* out) {
  static_cast<std::vector<std::string>*>(out)->emplace_back(name);
  return 0;
}

/// Refuses what makes HDF5 read other files or run foreign code.
void check_storage(hid_t plist, const std::string& path, const std::string& dataset) {
  EOSIN_CHECK(H5Pget_layout(plist) != H5D_VIRTUAL && H5Pget_external_count(plist) == 0, Data,
              "[{}] {}: its data lie in other files, which is not followed", path, dataset);
  for (int i = 0, n = H5Pget_nfilters(plist); i < n; ++i) {
    unsigned flags = 0;
    size_t parameters = 0;
    const H5Z_filter_t id = H5Pget_filter2(plist, static_cast<unsigned>(i), &flags, &parameters, nullptr, 0, nullptr, nullptr);
    EOSIN_CHECK(id == H5Z_FILTER_DEFLATE || id == H5Z_FILTER_SHUFFLE || id == 32000, Data,
                "[{}] {}: stored with filter {} (need none, deflate, shuffle or lzf)", path, dataset, id);
  }
}

H5T_conv_ret_t refuse_loss(H5T_conv_except_t problem, hid_t, hid_t, void*, void*, void*) {
  const bool lossy = problem == H5T_CONV_EXCEPT_RANGE_HI || problem == H5T_CONV_EXCEPT_RANGE_LOW || problem == H5T_CONV_EXCEPT_TRUNCATE;
  return lossy ? H5T_CONV_ABORT : H5T_CONV_UNHANDLED;
}

bool is_float(Type t) { return t == Type::kF16 || t == Type::kF32 || t == Type::kF64; }

/// Refuses data that were never written, chunks too large to decode, and sizes that the file does not vouch for.
void check_readable(const Info& info, hid_t dataset, size_t stored_element, uint64_t bytes, const std::string& path, const std::string& name) {
  const uint64_t logical = checked_product(info.shape, stored_element, path, name);
  if (info.chunk.empty()) {
    EOSIN_CHECK(info.stored_bytes >= logical, Data, "[{}] {}: {} of {} bytes were written", path, name, info.stored_bytes, logical);
  } else if (logical > 0) {
    EOSIN_CHECK(checked_product(info.chunk, stored_element, path, name) <= kBudget, Data, "[{}] {}: chunks larger than 256 MiB", path, name);
    uint64_t need = 1;
    for (size_t i = 0; i < info.shape.size(); ++i) need *= (info.shape[i] + info.chunk[i] - 1) / info.chunk[i];
    const Handle space(H5Dget_space(dataset), H5Sclose);
    hsize_t written = 0;
    if (H5Dget_num_chunks(dataset, space, &written) < 0) fail_hdf5(ErrorKind::Data, path, name, "cannot count its chunks");
    EOSIN_CHECK(written == need, Data, "[{}] {}: {} of {} chunks were written", path, name, written, need);
  }
  EOSIN_CHECK(bytes <= kBudget || bytes / kMaxRatio <= info.stored_bytes, Data,
              "[{}] {}: would take {} bytes of memory, but only {} bytes are stored", path, name, bytes, info.stored_bytes);
}

/// Elements in one row of axis 0.
uint64_t row_elements(const Info& info) { return info.shape.empty() || info.shape[0] == 0 ? 1 : info.count() / info.shape[0]; }

/// Rows that `first`, `rows` ask for.
uint64_t resolve_rows(const Info& info, uint64_t first, uint64_t rows, const std::string& path, const std::string& name) {
  const uint64_t all = info.shape.empty() ? 1 : info.shape[0];
  EOSIN_CHECK(first <= all && (rows == ~uint64_t{0} || rows <= all - first), Data, "[{}] {}: rows [{}, +{}) of {} do not exist", path, name, first,
              rows, all);
  return rows == ~uint64_t{0} ? all - first : rows;
}

}  // namespace

size_t element_size(Type type) {
  switch (type) {
    case Type::kU8:
    case Type::kI8:
      return 1;
    case Type::kU16:
    case Type::kI16:
    case Type::kF16:
      return 2;
    case Type::kU32:
    case Type::kI32:
    case Type::kF32:
      return 4;
    case Type::kU64:
    case Type::kI64:
    case Type::kF64:
      return 8;
    case Type::kText:
    case Type::kBytes:
    case Type::kOther:
      return 0;
  }
  return 0;
}

uint64_t Info::count() const {
  uint64_t n = 1;
  for (uint64_t d : shape) n *= d;  // info() has checked the product
  return n;
}

File::File(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
File::File(File&&) noexcept = default;
File& File::operator=(File&&) noexcept = default;
File::~File() = default;
const std::string& File::path() const { return impl_->path; }

File File::open(const std::string& path) {
  prepare_library();
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->file_bytes = regular_file_size(path);
  impl->file = Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access_plist()), H5Fclose);
  if (!impl->file.ok()) fail_hdf5(ErrorKind::Data, path, "", "is not a complete HDF5 file" + kind_remark(path));
  return File(std::move(impl));
}

File File::create(const std::string& path) {
  prepare_library();
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  const Handle plist = access_plist();
  H5Pset_alignment(plist, 65536, 4096);
  // 1.8's layout carries checksums in all its own structures, the older one carries none and libhdf5 crashes on some of its flipped bits.
  H5Pset_libver_bounds(plist, H5F_LIBVER_V18, H5F_LIBVER_V18);
  const Handle root(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  keep_in_header(root);
  impl->file = Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, root, plist), H5Fclose);
  if (!impl->file.ok()) fail_hdf5(ErrorKind::Io, path, "", "cannot create");
  return File(std::move(impl));
}

void File::close() {
  prepare_library();
  flush();  // a failed flush leaves a file that HDF5 can still close
  if (!impl_->file.close()) fail_hdf5(ErrorKind::Io, impl_->path, "", "cannot close");
}

void File::flush() {
  prepare_library();
  if (H5Fflush(impl_->file, H5F_SCOPE_GLOBAL) < 0) fail_hdf5(ErrorKind::Io, impl_->path, "", "cannot write");
}

void File::Impl::check_links(const std::string& object) const {
  for (size_t at = object.find_first_not_of('/'); at != std::string::npos && at < object.size();) {
    at = std::min(object.find('/', at), object.size());
    const std::string prefix = object.substr(0, at);
    if (H5Lexists(file, prefix.c_str(), H5P_DEFAULT) <= 0) fail_at(ErrorKind::Data, object, "is not in this file");
    H5L_info_t link{};
    if (H5Lget_info(file, prefix.c_str(), &link, H5P_DEFAULT) < 0) fail_hdf5(ErrorKind::Data, path, prefix, "cannot read link");
    if (link.type != H5L_TYPE_HARD) fail_at(ErrorKind::Data, prefix, "is a soft or external link, which is not followed");
    at = object.find_first_not_of('/', at);
  }
}

Handle File::Impl::open_object(const std::string& object) const {
  check_links(object);
  Handle h(H5Oopen(file, object.c_str(), H5P_DEFAULT), H5Oclose);
  if (!h.ok()) fail_hdf5(ErrorKind::Data, path, object, "cannot open");
  return h;
}

Handle File::Impl::open_dataset(const std::string& dataset) const {
  Handle h = open_object(dataset);
  if (H5Iget_type(h) != H5I_DATASET) fail_at(ErrorKind::Data, dataset, "is not a data set");
  return h;
}

bool File::has(const std::string& object) const {
  prepare_library();
  for (size_t at = object.find_first_not_of('/'); at != std::string::npos && at < object.size();) {
    at = std::min(object.find('/', at), object.size());
    const std::string prefix = object.substr(0, at);
    H5L_info_t link{};
    if (H5Lexists(impl_->file, prefix.c_str(), H5P_DEFAULT) <= 0 || H5Lget_info(impl_->file, prefix.c_str(), &link, H5P_DEFAULT) < 0 ||
        link.type != H5L_TYPE_HARD)
      return false;
    at = object.find_first_not_of('/', at);
  }
  return true;
}

std::vector<std::string> File::members(const std::string& group) const {
  prepare_library();
  const Handle h = impl_->open_object(group);
  if (H5Iget_type(h) != H5I_GROUP) impl_->fail_at(ErrorKind::Data, group, "is not a group");
  std::vector<std::string> names;
  if (H5Literate(h, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names) < 0)
    fail_hdf5(ErrorKind::Data, impl_->path, group, "cannot list its members");
  std::sort(names.begin(), names.end());
  return names;
}

bool File::is_group(const std::string& object) const {
  prepare_library();
  return H5Iget_type(impl_->open_object(object)) == H5I_GROUP;
}

Info File::info(const std::string& dataset) const {
  prepare_library();
  const Handle h = impl_->open_dataset(dataset);
  const Handle type(H5Dget_type(h), H5Tclose), space(H5Dget_space(h), H5Sclose), plist(H5Dget_create_plist(h), H5Pclose);
  if (!type.ok() || !space.ok() || !plist.ok()) fail_hdf5(ErrorKind::Data, impl_->path, dataset, "cannot read its description");
  check_storage(plist, impl_->path, dataset);

  Info info;
  info.type = classify(type);
  if (info.type == Type::kText && H5Tis_variable_str(type) == 0) info.text_bytes = H5Tget_size(type);
  info.shape = extents(space, impl_->path, dataset);
  checked_product(info.shape, std::max<size_t>(H5Tget_size(type), 1), impl_->path, dataset);
  info.stored_bytes = H5Dget_storage_size(h);
  if (H5Pget_layout(plist) == H5D_CHUNKED) {
    std::vector<hsize_t> chunk(info.shape.size());
    H5Pget_chunk(plist, static_cast<int>(chunk.size()), chunk.data());
    info.chunk.assign(chunk.begin(), chunk.end());
  } else if (H5Pget_layout(plist) == H5D_CONTIGUOUS && info.stored_bytes > 0) {
    const haddr_t offset = H5Dget_offset(h);
    const bool reading = impl_->file_bytes > 0;
    if (reading && (offset > impl_->file_bytes || info.stored_bytes > impl_->file_bytes - offset))
      impl_->fail_at(ErrorKind::Data, dataset,
                     fmt::format("lies at bytes [{}, {}) of a file of {}: it is truncated", offset, offset + info.stored_bytes, impl_->file_bytes));
    info.offset = offset;
  }
  return info;
}

size_t File::elements_to_read(const std::string& dataset, size_t element_bytes, uint64_t first, uint64_t rows) const {
  const Info i = info(dataset);
  const uint64_t n = i.count() == 0 ? 0 : resolve_rows(i, first, rows, impl_->path, dataset) * row_elements(i);
  const Handle h = impl_->open_dataset(dataset);
  check_readable(i, h, std::max<size_t>(eosin::h5::element_size(i.type), 1), checked_product({n}, element_bytes, impl_->path, dataset), impl_->path,
                 dataset);
  return n;
}

void File::read_into(const std::string& dataset, Type memory, void* out, size_t bytes, uint64_t first, uint64_t rows) const {
  const size_t n = elements_to_read(dataset, element_size(memory), first, rows);
  const Info i = info(dataset);
  if (i.type == Type::kText || i.type == Type::kBytes || i.type == Type::kOther || (is_float(i.type) && !is_float(memory)))
    impl_->fail_at(ErrorKind::Data, dataset, "holds elements of another kind than the numbers wanted");
  EOSIN_CHECK(bytes == n * element_size(memory), Data, "[{}] {}: has {} elements of {} bytes, the buffer holds {} bytes", impl_->path, dataset, n,
              element_size(memory), bytes);
  if (n == 0) return;
  const Handle h = impl_->open_dataset(dataset);
  const Handle file_space(H5Dget_space(h), H5Sclose), plist(H5Pcreate(H5P_DATASET_XFER), H5Pclose);
  const hsize_t count = n;
  const Handle memory_space(H5Screate_simple(1, &count, nullptr), H5Sclose);
  if (!i.shape.empty()) {
    std::vector<hsize_t> start(i.shape.size(), 0), size(i.shape.begin(), i.shape.end());
    start[0] = first;
    size[0] = resolve_rows(i, first, rows, impl_->path, dataset);
    H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr);
  }
  H5Pset_type_conv_cb(plist, refuse_loss, nullptr);
  if (H5Dread(h, memory_type(memory), memory_space, file_space, plist, out) < 0)
    fail_hdf5(ErrorKind::Data, impl_->path, dataset, "cannot read (damaged, or a value does not fit the wanted type)");
}

std::vector<std::string> File::read_text(const std::string& dataset) const {
  const size_t n = elements_to_read(dataset, 1, 0, kAll);
  const Info i = info(dataset);
  if (i.type != Type::kText) impl_->fail_at(ErrorKind::Data, dataset, "is not text");
  if (n == 0) return {};
  if (i.text_bytes > 0) {
    const Handle h = impl_->open_dataset(dataset), type(H5Dget_type(h), H5Tclose);
    const uint64_t bytes = n * i.text_bytes;
    check_readable(i, h, i.text_bytes, bytes, impl_->path, dataset);
    std::vector<char> buffer(bytes);
    if (H5Dread(h, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer.data()) < 0) fail_hdf5(ErrorKind::Data, impl_->path, dataset, "cannot read");
    return split_fixed_text(buffer, i.text_bytes, H5Tget_strpad(type));
  }
  EOSIN_CHECK(i.shape.size() <= 1 && n == (i.shape.empty() ? 1 : i.shape[0]), Data, "[{}] {}: text of more than one dimension", impl_->path, dataset);
  std::vector<std::string> out = impl_->read_lists(dataset, i, 0, n);
  for (auto& text : out) text.resize(std::min(text.size(), text.find('\0')));
  return out;
}

std::vector<std::string> File::read_bytes(const std::string& dataset, uint64_t first, uint64_t rows) const {
  const Info i = info(dataset);
  if (i.type != Type::kBytes || i.shape.size() != 1) impl_->fail_at(ErrorKind::Data, dataset, "is no list of byte lists");
  return impl_->read_lists(dataset, i, first, elements_to_read(dataset, 1, first, rows));
}

}  // namespace eosin::h5
