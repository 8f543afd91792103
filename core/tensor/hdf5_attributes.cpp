#include "core/tensor/hdf5.h"
#include "core/tensor/hdf5_handle.h"

#include <algorithm>

namespace eosin::h5 {
namespace {

constexpr uint64_t kMaxAttributeBytes = uint64_t{1} << 20;

herr_t collect_name(hid_t, const char* name, const H5A_info_t*, void* out) {
  static_cast<std::vector<std::string>*>(out)->emplace_back(name);
  return 0;
}

template <class T>
std::vector<T> read_numbers(hid_t attribute, uint64_t n, const std::string& path, const std::string& where) {
  std::vector<T> out(n);
  if (n > 0 && H5Aread(attribute, memory_type(type_of<T>()), out.data()) < 0) fail_hdf5(ErrorKind::Data, path, where, "cannot read");
  return out;
}

std::vector<std::string> read_texts(hid_t attribute, hid_t type, uint64_t n, const std::string& path, const std::string& where) {
  if (n == 0) return {};
  if (H5Tis_variable_str(type) == 0) {
    const size_t bytes = H5Tget_size(type);
    std::vector<char> buffer(checked_product({n}, bytes, path, where));
    if (H5Aread(attribute, type, buffer.data()) < 0) fail_hdf5(ErrorKind::Data, path, where, "cannot read");
    return split_fixed_text(buffer, bytes, H5Tget_strpad(type));
  }
  std::vector<char*> pointers(n, nullptr);
  if (H5Aread(attribute, type, pointers.data()) < 0) fail_hdf5(ErrorKind::Data, path, where, "cannot read");
  std::vector<std::string> out;
  for (const char* p : pointers) out.emplace_back(p == nullptr ? "" : p);
  const Handle space(H5Aget_space(attribute), H5Sclose);
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, pointers.data());
  return out;
}

std::string name_of(const std::string& object, const std::string& attribute) { return fmt::format("attribute '{}' of '{}'", attribute, object); }

}  // namespace

std::vector<std::string> File::attributes(const std::string& object) const {
  prepare_library();
  std::vector<std::string> names;
  if (H5Aiterate2(impl_->open_object(object), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names) < 0)
    fail_hdf5(ErrorKind::Data, impl_->path, object, "cannot list its attributes");
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<Attribute> File::attribute(const std::string& object, const std::string& name) const {
  prepare_library();
  const Handle owner = impl_->open_object(object);
  if (H5Aexists(owner, name.c_str()) <= 0) return std::nullopt;
  const std::string where = name_of(object, name);
  const Handle h(H5Aopen(owner, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!h.ok()) fail_hdf5(ErrorKind::Data, impl_->path, where, "cannot open");
  const Handle type(H5Aget_type(h), H5Tclose), space(H5Aget_space(h), H5Sclose);
  Attribute out;
  out.type = classify(type);
  out.shape = extents(space, impl_->path, where);
  EOSIN_CHECK(checked_product(out.shape, std::max<size_t>(H5Tget_size(type), 1), impl_->path, where) <= kMaxAttributeBytes, Data,
              "[{}] {}: larger than 1 MiB", impl_->path, where);
  const uint64_t n = checked_product(out.shape, 1, impl_->path, where);
  switch (out.type) {
    case Type::kU8:
    case Type::kU16:
    case Type::kU32:
    case Type::kU64:
      out.values = read_numbers<uint64_t>(h, n, impl_->path, where);
      break;
    case Type::kI8:
    case Type::kI16:
    case Type::kI32:
    case Type::kI64:
      out.values = read_numbers<int64_t>(h, n, impl_->path, where);
      break;
    case Type::kF16:
    case Type::kF32:
    case Type::kF64:
      out.values = read_numbers<double>(h, n, impl_->path, where);
      break;
    case Type::kText:
      if (H5Tis_variable_str(type) != 0) impl_->check_heaps();
      out.values = read_texts(h, type, n, impl_->path, where);
      break;
    case Type::kBytes:
    case Type::kOther:
      break;
  }
  return out;
}

std::optional<int64_t> File::integer(const std::string& object, const std::string& name) const {
  const auto a = attribute(object, name);
  if (!a) return std::nullopt;
  if (const auto* v = std::get_if<std::vector<int64_t>>(&a->values); v != nullptr && v->size() == 1) return v->front();
  const auto* u = std::get_if<std::vector<uint64_t>>(&a->values);
  EOSIN_CHECK(u != nullptr && u->size() == 1 && u->front() <= INT64_MAX, Data, "[{}] {} is not one integer", impl_->path, name_of(object, name));
  return static_cast<int64_t>(u->front());
}

std::optional<double> File::number(const std::string& object, const std::string& name) const {
  const auto a = attribute(object, name);
  if (!a) return std::nullopt;
  if (const auto* v = std::get_if<std::vector<double>>(&a->values); v != nullptr && v->size() == 1) return v->front();
  return static_cast<double>(*integer(object, name));
}

std::optional<std::vector<double>> File::numbers(const std::string& object, const std::string& name) const {
  const auto a = attribute(object, name);
  if (!a) return std::nullopt;
  return std::visit(
      [&](const auto& values) -> std::vector<double> {
        if constexpr (std::is_same_v<std::decay_t<decltype(values)>, std::vector<std::string>>)
          fail(ErrorKind::Data, "[{}] {} is not a list of numbers", impl_->path, name_of(object, name));
        else
          return {values.begin(), values.end()};
      },
      a->values);
}

std::optional<std::string> File::text(const std::string& object, const std::string& name) const {
  const auto a = attribute(object, name);
  if (!a) return std::nullopt;
  const auto* v = std::get_if<std::vector<std::string>>(&a->values);
  EOSIN_CHECK(v != nullptr && v->size() == 1, Data, "[{}] {} is not one text", impl_->path, name_of(object, name));
  return v->front();
}

void File::set_attribute(const std::string& object, const std::string& name, Type type, const void* data, size_t bytes,
                         const std::vector<uint64_t>& shape) {
  prepare_library();
  const std::string where = name_of(object, name);
  EOSIN_ASSERT(bytes == checked_product(shape, element_size(type), impl_->path, where));
  const Handle owner = impl_->open_object(object);
  if (H5Aexists(owner, name.c_str()) > 0 && H5Adelete(owner, name.c_str()) < 0) fail_hdf5(ErrorKind::Io, impl_->path, where, "cannot replace");
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  const Handle space(shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose);
  const Handle h(H5Acreate2(owner, name.c_str(), file_type(type), space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (!h.ok() || H5Awrite(h, memory_type(type), data) < 0) fail_hdf5(ErrorKind::Io, impl_->path, where, "cannot write");
}

void File::set_text(const std::string& object, const std::string& name, const std::string& value, bool variable_length) {
  prepare_library();
  const std::string where = name_of(object, name);
  const Handle owner = impl_->open_object(object);
  if (H5Aexists(owner, name.c_str()) > 0 && H5Adelete(owner, name.c_str()) < 0) fail_hdf5(ErrorKind::Io, impl_->path, where, "cannot replace");
  const Handle type = text_type(variable_length ? 0 : std::max<size_t>(value.size(), 1)), space(H5Screate(H5S_SCALAR), H5Sclose);
  const Handle h(H5Acreate2(owner, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const char* pointer = value.c_str();
  const void* data = variable_length ? static_cast<const void*>(&pointer) : pointer;
  if (!h.ok() || H5Awrite(h, type, data) < 0) fail_hdf5(ErrorKind::Io, impl_->path, where, "cannot write");
}

}  // namespace eosin::h5
