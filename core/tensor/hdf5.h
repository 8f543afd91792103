#pragma once
// HDF5 files behind one class: every call that fails is a typed error with file and object, and nothing of a file is trusted.
//
// Goals      a file opens read-only, without locks; external and soft links, foreign filters, virtual and external storage are
//            refused; sizes are checked against the file before memory is taken; a value that does not fit the wanted type is an
//            error; the byte offset of contiguous data is known, so that readers can use pread.
// Non-goals  a second wrapper of the whole library: this holds what stores and feature files need.
// Rejected   HDF5's own C++ API (no types for f16, errors without file names, not thread-safe).
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace eosin::h5 {

/// Element types; kBytes is a list of bytes of any length (h5py: vlen_dtype(uint8)), kOther is what a file may hold and we do not read (compounds,
/// references). An enumeration counts as its integer.
enum class Type { kU8, kI8, kU16, kI16, kU32, kI32, kU64, kI64, kF16, kF32, kF64, kText, kBytes, kOther };

/// Bytes of an element in memory (0 for kText, kBytes and kOther).
size_t element_size(Type type);

template <class T>
constexpr Type type_of() {
  if constexpr (std::is_same_v<T, float>)
    return Type::kF32;
  else if constexpr (std::is_same_v<T, double>)
    return Type::kF64;
  else {
    static_assert(std::is_integral_v<T> && !std::is_same_v<T, bool>);
    constexpr Type kTypes[] = {Type::kU8, Type::kI8, Type::kU16, Type::kI16, Type::kU32, Type::kI32, Type::kU64, Type::kI64};
    constexpr int log2_size = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return kTypes[2 * log2_size + (std::is_signed_v<T> ? 1 : 0)];
  }
}

/// A data set as the file describes it.
struct Info {
  Type type = Type::kOther;
  size_t text_bytes = 0;  // length of fixed-length text; 0: variable
  std::vector<uint64_t> shape;
  std::vector<uint64_t> chunk;  // empty: not chunked
  uint64_t stored_bytes = 0;
  std::optional<uint64_t> offset;  // first byte in the file, when the data are contiguous, unfiltered and wholly inside the file
  uint64_t count() const;          // elements; 1 for a scalar
};

/// A small value that hangs on an object: numbers or text, scalar (empty shape) or a list.
struct Attribute {
  Type type = Type::kOther;
  std::vector<uint64_t> shape;
  std::variant<std::vector<int64_t>, std::vector<uint64_t>, std::vector<double>, std::vector<std::string>> values;
};

/// How a new data set lies in the file.
struct Layout {
  std::vector<uint64_t> chunk = {};  // empty: contiguous, space taken at once and not filled
  bool extendible = false;           // axis 0 may grow (needs a chunk)
  size_t text_bytes = 0;             // for kText: fixed length, null-padded ASCII; 0: variable-length UTF-8
};

/// One open file. Objects are named by their path from the root ("coords", "slides/id"; "/" is the root).
/// Not for use by two threads at once; no handle is held below a fork.
/// Errors   Io if the file cannot be opened or written (disk full says so); Data naming file, object and what is wrong otherwise.
/// Checked  tests/tensor/test_hdf5.cpp: round trips, truncation, refused links, filters and sizes, full disk.
class File {
 public:
  /// Read-only, no locking.
  static File open(const std::string& path);
  /// Creates or truncates. Format readable by HDF5 1.8 and later; data sets of 64 KiB and more begin at multiples of 4096.
  static File create(const std::string& path);
  File(File&&) noexcept;
  File& operator=(File&&) noexcept;
  /// Closes without a message; a writer calls close().
  ~File();

  const std::string& path() const;
  /// Writes what is buffered and closes: the only place where late write errors show.
  void close();
  void flush();

  /// Whether an object of that path exists (through hard links only).
  bool has(const std::string& object) const;
  /// Names in a group, in name order.
  std::vector<std::string> members(const std::string& group = "/") const;
  bool is_group(const std::string& object) const;
  Info info(const std::string& dataset) const;

  /// Rows [first, first + rows) along axis 0 (all by default), converted to `memory`; `out` holds exactly `bytes`.
  /// Integers are refused where a value does not fit, floats where integers are wanted.
  void read_into(const std::string& dataset, Type memory, void* out, size_t bytes, uint64_t first = 0, uint64_t rows = kAll) const;
  template <class T>
  std::vector<T> read(const std::string& dataset, uint64_t first = 0, uint64_t rows = kAll) const {
    std::vector<T> out(elements_to_read(dataset, sizeof(T), first, rows));
    read_into(dataset, type_of<T>(), out.data(), out.size() * sizeof(T), first, rows);
    return out;
  }
  /// Fixed- or variable-length text without its padding.
  std::vector<std::string> read_text(const std::string& dataset) const;

  /// Byte lists of rows [first, first + rows) of a one-dimensional data set of kBytes, together at most 256 MiB.
  std::vector<std::string> read_bytes(const std::string& dataset, uint64_t first = 0, uint64_t rows = kAll) const;

  /// Names of an object's attributes, in name order.
  std::vector<std::string> attributes(const std::string& object = "/") const;
  /// Empty where the object has no such attribute.
  std::optional<Attribute> attribute(const std::string& object, const std::string& name) const;
  /// The scalar (or list of one) as integer, number, text; empty where absent. Data error if it is of another type.
  std::optional<int64_t> integer(const std::string& object, const std::string& name) const;
  std::optional<double> number(const std::string& object, const std::string& name) const;
  /// A list of numbers of any type; empty where absent.
  std::optional<std::vector<double>> numbers(const std::string& object, const std::string& name) const;
  std::optional<std::string> text(const std::string& object, const std::string& name) const;

  void create_group(const std::string& group);
  void create_dataset(const std::string& dataset, Type type, const std::vector<uint64_t>& shape, const Layout& layout = {});
  /// Rows [first, first + rows) of an existing data set; `in` holds exactly that many elements of `memory`.
  void write_rows(const std::string& dataset, Type memory, const void* in, size_t bytes, uint64_t first, uint64_t rows);
  /// Grows axis 0 of an extendible data set.
  void extend(const std::string& dataset, uint64_t rows);
  /// Creates and writes a whole data set.
  template <class T>
  void write(const std::string& dataset, std::span<const T> values, const std::vector<uint64_t>& shape, const Layout& layout = {}) {
    create_dataset(dataset, type_of<T>(), shape, layout);
    write_rows(dataset, type_of<T>(), values.data(), values.size_bytes(), 0, shape.empty() ? 1 : shape[0]);
  }
  /// One-dimensional text; Data error if one is longer than layout.text_bytes.
  void write_text(const std::string& dataset, const std::vector<std::string>& values, const Layout& layout = {});

  /// Creates or replaces. An empty shape makes a scalar.
  template <class T>
  void set_attribute(const std::string& object, const std::string& name, std::span<const T> values, const std::vector<uint64_t>& shape) {
    set_attribute(object, name, type_of<T>(), values.data(), values.size_bytes(), shape);
  }
  template <class T>
  requires std::is_arithmetic_v<T>
  void set_attribute(const std::string& object, const std::string& name, T value) {
    set_attribute(object, name, type_of<T>(), &value, sizeof value, {});
  }
  /// Text of exactly its own length, null-padded ASCII, or variable-length UTF-8 as h5py writes.
  void set_text(const std::string& object, const std::string& name, const std::string& value, bool variable_length = false);

 private:
  static constexpr uint64_t kAll = ~uint64_t{0};
  struct Impl;
  explicit File(std::unique_ptr<Impl> impl);
  void set_attribute(const std::string& object, const std::string& name, Type type, const void* data, size_t bytes,
                     const std::vector<uint64_t>& shape);
  /// Number of elements of those rows, after the limits on memory were checked.
  size_t elements_to_read(const std::string& dataset, size_t element_bytes, uint64_t first, uint64_t rows) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eosin::h5
