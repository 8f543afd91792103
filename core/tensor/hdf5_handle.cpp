#include "core/tensor/hdf5_handle.h"

#include <cstdlib>
#include <cstring>
#include <mutex>

namespace eosin::h5 {
namespace {

/// HDF5's innermost reason for the latest failure in this thread; kept at once, for closing any handle clears HDF5's own stack.
std::string& last_reason() {
  thread_local std::string reason;
  return reason;
}

herr_t keep_first(unsigned n, const H5E_error2_t* e, void*) {
  if (n == 0 && e->desc != nullptr) last_reason() = e->desc;
  return 0;
}

herr_t on_failure(hid_t stack, void*) { return H5Ewalk2(stack, H5E_WALK_UPWARD, keep_first, nullptr); }

/// Of HDF5's long I/O messages only errno's text.
std::string reason() {
  const std::string& text = last_reason();
  if (const size_t at = text.find("errno = "); at != std::string::npos) return std::strerror(std::atoi(text.c_str() + at + 8));
  return text.empty() ? "no reason given" : text;
}

Handle half_type() {
  Handle t(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(t, 15, 10, 5, 0, 10);
  H5Tset_size(t, 2);
  H5Tset_ebias(t, 15);
  return t;
}

Type classify_integer(hid_t type) {
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  switch (H5Tget_size(type)) {
    case 1:
      return is_signed ? Type::kI8 : Type::kU8;
    case 2:
      return is_signed ? Type::kI16 : Type::kU16;
    case 4:
      return is_signed ? Type::kI32 : Type::kU32;
    case 8:
      return is_signed ? Type::kI64 : Type::kU64;
    default:
      return Type::kOther;
  }
}

Type classify_float(hid_t type) {
  Handle little(H5Tcopy(type), H5Tclose);
  H5Tset_order(little, H5T_ORDER_LE);
  if (H5Tequal(little, H5T_IEEE_F32LE) > 0) return Type::kF32;
  if (H5Tequal(little, H5T_IEEE_F64LE) > 0) return Type::kF64;
  return H5Tequal(little, half_type()) > 0 ? Type::kF16 : Type::kOther;
}

}  // namespace

void prepare_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    H5dont_atexit();  // it closes what a full disk has left behind, and crashes; our files close themselves
    H5PLset_loading_state(0);
    register_lzf();
  });
  thread_local const herr_t quiet = H5Eset_auto2(H5E_DEFAULT, on_failure, nullptr);
  (void)quiet;
}

void fail_hdf5(ErrorKind kind, const std::string& path, const std::string& object, const std::string& what) {
  fail(kind, "[{}] {}{}{}: {}", path, object, object.empty() ? "" : ": ", what, reason());
}

void File::Impl::fail_at(ErrorKind kind, const std::string& object, const std::string& what) const { fail(kind, "[{}] {}: {}", path, object, what); }

Handle file_type(Type type) {
  switch (type) {
    case Type::kU8:
      return {H5Tcopy(H5T_STD_U8LE), H5Tclose};
    case Type::kI8:
      return {H5Tcopy(H5T_STD_I8LE), H5Tclose};
    case Type::kU16:
      return {H5Tcopy(H5T_STD_U16LE), H5Tclose};
    case Type::kI16:
      return {H5Tcopy(H5T_STD_I16LE), H5Tclose};
    case Type::kU32:
      return {H5Tcopy(H5T_STD_U32LE), H5Tclose};
    case Type::kI32:
      return {H5Tcopy(H5T_STD_I32LE), H5Tclose};
    case Type::kU64:
      return {H5Tcopy(H5T_STD_U64LE), H5Tclose};
    case Type::kI64:
      return {H5Tcopy(H5T_STD_I64LE), H5Tclose};
    case Type::kF16:
      return half_type();
    case Type::kF32:
      return {H5Tcopy(H5T_IEEE_F32LE), H5Tclose};
    case Type::kF64:
      return {H5Tcopy(H5T_IEEE_F64LE), H5Tclose};
    case Type::kText:
    case Type::kBytes:
    case Type::kOther:
      break;
  }
  EOSIN_ASSERT(false && "text has a type of its own");
}

Handle memory_type(Type type) { return file_type(type); }  // eosin runs on little-endian machines only

Handle text_type(size_t bytes) {
  Handle t(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(t, bytes == 0 ? H5T_VARIABLE : bytes);
  if (bytes == 0)
    H5Tset_cset(t, H5T_CSET_UTF8);
  else
    H5Tset_strpad(t, H5T_STR_NULLPAD);
  return t;
}

Type classify(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return classify_integer(type);
    case H5T_FLOAT:
      return classify_float(type);
    case H5T_STRING:
      return Type::kText;
    case H5T_ENUM:
      return classify_integer(Handle(H5Tget_super(type), H5Tclose));
    case H5T_VLEN:
      return classify(Handle(H5Tget_super(type), H5Tclose)) == Type::kU8 ? Type::kBytes : Type::kOther;
    default:
      return Type::kOther;
  }
}

std::vector<uint64_t> extents(hid_t space, const std::string& path, const std::string& object) {
  const H5S_class_t kind = H5Sget_simple_extent_type(space);
  EOSIN_CHECK(kind == H5S_SCALAR || kind == H5S_SIMPLE, Data, "[{}] {}: has no extent (an empty data space)", path, object);
  const int rank = H5Sget_simple_extent_ndims(space);
  EOSIN_CHECK(rank >= 0 && rank <= H5S_MAX_RANK, Data, "[{}] {}: has {} dimensions", path, object, rank);
  std::vector<hsize_t> dims(static_cast<size_t>(rank));
  if (rank > 0) H5Sget_simple_extent_dims(space, dims.data(), nullptr);
  return {dims.begin(), dims.end()};
}

uint64_t checked_product(const std::vector<uint64_t>& shape, uint64_t element_bytes, const std::string& path, const std::string& object) {
  uint64_t n = element_bytes;
  for (uint64_t d : shape) EOSIN_CHECK(!__builtin_mul_overflow(n, d, &n), Data, "[{}] {}: its size overflows", path, object);
  return n;
}

std::vector<std::string> split_fixed_text(const std::vector<char>& buffer, size_t bytes, H5T_str_t padding) {
  std::vector<std::string> out;
  for (size_t at = 0; at + bytes <= buffer.size(); at += bytes) {
    std::string s(buffer.data() + at, bytes);
    if (padding == H5T_STR_NULLTERM) s.resize(strnlen(s.data(), bytes));
    const char pad = padding == H5T_STR_SPACEPAD ? ' ' : '\0';
    while (!s.empty() && s.back() == pad) s.pop_back();
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace eosin::h5
