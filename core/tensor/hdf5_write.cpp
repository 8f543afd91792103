#include "core/tensor/hdf5.h"
#include "core/tensor/hdf5_handle.h"

#include <algorithm>

namespace eosin::h5 {
namespace {

constexpr unsigned kMostInHeader = 1000;

/// Equal input makes equal bytes: nothing is filled but pointers to text.
Handle dataset_plist(Type type, const Layout& layout) {
  Handle plist(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  keep_attributes_in_header(plist);
  if (type != Type::kText || layout.text_bytes > 0) H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER);
  if (layout.chunk.empty()) {
    H5Pset_layout(plist, H5D_CONTIGUOUS);
    H5Pset_alloc_time(plist, H5D_ALLOC_TIME_EARLY);
  } else {
    const std::vector<hsize_t> chunk(layout.chunk.begin(), layout.chunk.end());
    H5Pset_chunk(plist, static_cast<int>(chunk.size()), chunk.data());
  }
  return plist;
}

Handle dataset_space(const std::vector<uint64_t>& shape, bool extendible) {
  if (shape.empty()) return {H5Screate(H5S_SCALAR), H5Sclose};
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  std::vector<hsize_t> limit = dims;
  if (extendible) limit[0] = H5S_UNLIMITED;
  return {H5Screate_simple(static_cast<int>(dims.size()), dims.data(), limit.data()), H5Sclose};
}

}  // namespace

void keep_attributes_in_header(hid_t creation_plist) {
  H5Pset_obj_track_times(creation_plist, false);
  H5Pset_attr_phase_change(creation_plist, kMostInHeader, 0);
}

void keep_in_header(hid_t creation_plist) {
  keep_attributes_in_header(creation_plist);
  H5Pset_link_phase_change(creation_plist, kMostInHeader, 0);
}

void File::create_group(const std::string& group) {
  prepare_library();
  const Handle plist(H5Pcreate(H5P_GROUP_CREATE), H5Pclose);
  keep_in_header(plist);
  const Handle h(H5Gcreate2(impl_->file, group.c_str(), H5P_DEFAULT, plist, H5P_DEFAULT), H5Gclose);
  if (!h.ok()) fail_hdf5(ErrorKind::Io, impl_->path, group, "cannot create the group");
}

void File::create_dataset(const std::string& dataset, Type type, const std::vector<uint64_t>& shape, const Layout& layout) {
  prepare_library();
  EOSIN_ASSERT(!layout.extendible || !layout.chunk.empty());
  EOSIN_ASSERT(layout.chunk.empty() || layout.chunk.size() == shape.size());
  const Handle element = type == Type::kText ? text_type(layout.text_bytes) : file_type(type);
  const Handle h(H5Dcreate2(impl_->file, dataset.c_str(), element, dataset_space(shape, layout.extendible), H5P_DEFAULT, dataset_plist(type, layout),
                            H5P_DEFAULT),
                 H5Dclose);
  if (!h.ok()) fail_hdf5(ErrorKind::Io, impl_->path, dataset, "cannot create the data set");
}

void File::write_rows(const std::string& dataset, Type memory, const void* in, size_t bytes, uint64_t first, uint64_t rows) {
  prepare_library();
  const Handle h = impl_->open_dataset(dataset), file_space(H5Dget_space(h), H5Sclose);
  const std::vector<uint64_t> shape = extents(file_space, impl_->path, dataset);
  std::vector<hsize_t> start(shape.size(), 0), size(shape.begin(), shape.end());
  if (!shape.empty()) {
    EOSIN_CHECK(first <= shape[0] && rows <= shape[0] - first, Data, "[{}] {}: cannot write rows [{}, +{}) of {}", impl_->path, dataset, first, rows,
                shape[0]);
    start[0] = first;
    size[0] = rows;
  }
  const hsize_t n = checked_product({size.begin(), size.end()}, 1, impl_->path, dataset);
  EOSIN_CHECK(bytes == n * element_size(memory), Data, "[{}] {}: {} elements of {} bytes to write, the buffer holds {} bytes", impl_->path, dataset,
              n, element_size(memory), bytes);
  if (n == 0) return;
  if (!shape.empty()) H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr);
  const Handle memory_space(H5Screate_simple(1, &n, nullptr), H5Sclose);
  if (H5Dwrite(h, memory_type(memory), memory_space, file_space, H5P_DEFAULT, in) < 0) fail_hdf5(ErrorKind::Io, impl_->path, dataset, "cannot write");
}

void File::extend(const std::string& dataset, uint64_t rows) {
  prepare_library();
  const Handle h = impl_->open_dataset(dataset), space(H5Dget_space(h), H5Sclose);
  const std::vector<uint64_t> shape = extents(space, impl_->path, dataset);
  EOSIN_ASSERT(!shape.empty() && rows >= shape[0]);
  std::vector<hsize_t> size(shape.begin(), shape.end());
  size[0] = rows;
  if (H5Dset_extent(h, size.data()) < 0) fail_hdf5(ErrorKind::Io, impl_->path, dataset, "cannot grow");
}

void File::write_text(const std::string& dataset, const std::vector<std::string>& values, const Layout& layout) {
  create_dataset(dataset, Type::kText, {values.size()}, layout);
  if (values.empty()) return;
  const Handle h = impl_->open_dataset(dataset), type = text_type(layout.text_bytes);
  herr_t written = 0;
  if (layout.text_bytes == 0) {
    std::vector<const char*> pointers;
    for (const auto& v : values) pointers.push_back(v.c_str());
    written = H5Dwrite(h, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data());
  } else {
    std::vector<char> buffer(values.size() * layout.text_bytes, '\0');
    for (size_t i = 0; i < values.size(); ++i) {
      EOSIN_CHECK(values[i].size() <= layout.text_bytes, Data, "[{}] {}: text of {} bytes is longer than {}: '{}'", impl_->path, dataset,
                  values[i].size(), layout.text_bytes, values[i]);
      std::copy(values[i].begin(), values[i].end(), buffer.begin() + static_cast<int64_t>(i * layout.text_bytes));
    }
    written = H5Dwrite(h, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer.data());
  }
  if (written < 0) fail_hdf5(ErrorKind::Io, impl_->path, dataset, "cannot write");
}

}  // namespace eosin::h5
