#include "data/shard.h"

#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "core/tensor/hdf5.h"
#include "data/jpeg.h"
#include "data/shard_file.h"
#include "data/shard_layout.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

namespace eosin::data {
namespace {

constexpr uint32_t kLargestEdge = 65'500;          // of a JPEG
constexpr const char* kClusterColumn = "cluster";  // the one optional column without the prefix

/// A column of the index in the mapping, read within ShardFile::look(). Data sets may begin at any byte.
template <class T>
class Column {
 public:
  Column() = default;
  explicit Column(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  uint64_t size() const { return bytes_.size() / sizeof(T); }
  std::span<const uint8_t> bytes() const { return bytes_; }
  T operator[](uint64_t i) const {
    T value;
    std::memcpy(&value, bytes_.data() + i * sizeof(T), sizeof(T));
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
};

template <class... Args>
[[noreturn]] void refuse(const std::string& path, fmt::format_string<Args...> what, Args&&... args) {
  fail(ErrorKind::Data, "[{}] {}", path, fmt::format(what, std::forward<Args>(args)...));
}

std::string need_text(const h5::File& file, const std::string& name) {
  const auto value = file.text("/", name);
  if (!value) refuse(file.path(), "attribute '{}' is missing", name);
  return *value;
}

template <class T>
T need_number(const h5::File& file, const std::string& name) {
  if constexpr (std::is_floating_point_v<T>) {
    if (const auto value = file.number("/", name)) return *value;
  } else {
    const auto value = file.integer("/", name);
    if (value && !std::in_range<T>(*value)) refuse(file.path(), "attribute '{}' is out of range (got {})", name, *value);
    if (value) return static_cast<T>(*value);
  }
  refuse(file.path(), "attribute '{}' is missing", name);
}

/// Numbers of tiles that this program writes or could decode.
void check_format(const h5::File& file, const TileFormat& f) {
  const auto is_edge = [](uint32_t edge) { return edge > 0 && edge <= kLargestEdge; };
  if (!is_edge(f.tile_width) || !is_edge(f.tile_height))
    refuse(file.path(), "has tiles of {} x {} pixels (need edges of 1 to {})", f.tile_width, f.tile_height, kLargestEdge);
  if (f.jpeg_quality > 100) refuse(file.path(), "attribute 'jpeg_quality' is out of range (got {}, need 0 to 100)", f.jpeg_quality);
  if (!std::isfinite(f.target_mpp) || f.target_mpp < 0)
    refuse(file.path(), "attribute 'target_mpp' is no scale (got {}, need micrometres a pixel, or 0)", f.target_mpp);
}

/// A list of small numbers, whatever integer type the file gives them.
std::vector<uint64_t> need_list(const h5::File& file, const std::string& name, size_t length) {
  const auto attribute = file.attribute("/", name);
  if (!attribute) refuse(file.path(), "attribute '{}' is missing", name);
  std::vector<uint64_t> list;
  if (const auto* u = std::get_if<std::vector<uint64_t>>(&attribute->values)) list = *u;
  if (const auto* i = std::get_if<std::vector<int64_t>>(&attribute->values)) list.assign(i->begin(), i->end());
  if (list.size() != length) refuse(file.path(), "attribute '{}' must be {} integers", name, length);
  return list;
}

void check_version(const h5::File& file, ShardHeader& header) {
  const auto format = file.text("/", "format");
  if (format != "eosin-tiles") refuse(file.path(), "is not a tile store (attribute 'format' is '{}', need 'eosin-tiles')", format.value_or("absent"));
  const auto version = need_list(file, "format_version", 2);
  if (version[0] != 1) refuse(file.path(), "has format version {}.{}, which this program does not read (need 1.x)", version[0], version[1]);
  header.format_minor = static_cast<uint32_t>(version[1]);
  if (file.integer("/", "complete") != 1) refuse(file.path(), "is not complete; run the command that wrote it again");
}

ShardHeader read_header(const h5::File& file) {
  ShardHeader header;
  check_version(file, header);
  const auto uuid = need_list(file, "uuid", 16);
  std::transform(uuid.begin(), uuid.end(), header.uuid.begin(), [](uint64_t byte) { return static_cast<uint8_t>(byte); });
  header.writer = need_text(file, "writer");
  header.created_utc = need_text(file, "created_utc");
  const std::string codec = need_text(file, "codec"), order = need_text(file, "order");
  if (codec != "jpeg" && codec != "raw") refuse(file.path(), "has the unknown codec '{}' (need 'jpeg' or 'raw')", codec);
  if (order != "slide" && order != "shuffled") refuse(file.path(), "has the unknown order '{}' (need 'slide' or 'shuffled')", order);
  header.codec = codec == "raw" ? Codec::kRaw : Codec::kJpeg;
  header.ordered_by_slide = order == "slide";
  header.jpeg_subsampling = need_text(file, "jpeg_subsampling");
  header.tile_height = need_number<uint32_t>(file, "tile_height");
  header.tile_width = need_number<uint32_t>(file, "tile_width");
  if (const auto channels = need_number<uint32_t>(file, "channels"); channels != 3) refuse(file.path(), "has {} channels (need 3)", channels);
  header.overlap = need_number<uint32_t>(file, "overlap");
  header.jpeg_quality = need_number<uint32_t>(file, "jpeg_quality");
  header.n_tiles = need_number<uint64_t>(file, "n_tiles");
  header.n_slides = need_number<uint64_t>(file, "n_slides");
  header.data_bytes = need_number<uint64_t>(file, "data_bytes");
  header.target_mpp = need_number<double>(file, "target_mpp");
  header.lossless_tile_copy = need_number<uint8_t>(file, "lossless_tile_copy") != 0;
  header.index_crc32c = need_number<uint32_t>(file, "index_crc32c");
  header.identity = file.text("/", "identity").value_or("");
  header.stain = file.text("/", "stain").value_or("");
  check_format(file, header);
  if (const auto stored = file.integer("/", kHeaderChecksum); stored && *stored != header_checksum(header))
    refuse(file.path(), "is damaged: its attributes do not fit their checksum");
  return header;
}

}  // namespace

/// Where a record lies in the payload, and its checksum.
struct RecordPlace {
  uint64_t offset = 0, size = 0;
  uint32_t crc32c = 0;
};

struct Shard::Impl {
  std::string path;
  ShardHeader header;
  std::unique_ptr<ShardFile> file;
  uint64_t payload_offset = 0, record_bytes = 0;  // record_bytes: of the raw codec
  Column<uint64_t> offsets;
  Column<uint32_t> crc32c, slide, level0_size;
  Column<int32_t> coords;
  Column<uint8_t> tissue;
  Column<uint16_t> qc;
  std::array<std::span<const uint8_t>, kSlideColumns.size()> slide_columns;  // raw bytes, in the format's order
  std::vector<SlideRow> slides;
  std::vector<std::string> columns;

  uint64_t offset(uint64_t i) const { return header.codec == Codec::kRaw ? i * record_bytes : offsets[i]; }  // within look()
  RecordPlace place(uint64_t i) const {
    RecordPlace p;
    file->look([&] { p = {offset(i), offset(i + 1) - offset(i), crc32c[i]}; });
    return p;
  }

  void open_index(const h5::File& h5);
  void open_payload(const h5::File& h5);
  void open_slides(const h5::File& h5);
  void check_offsets() const;
  void check_rows() const;
  void check_index_checksum() const;
  void check_column(const h5::File& h5, const std::string& dataset, const h5::Info& info) const;
  std::span<const uint8_t> locate(const h5::File& h5, const std::string& name, h5::Type type, const std::vector<uint64_t>& shape,
                                  size_t text_bytes = 0) const;
};

/// The bytes of a data set in the mapping, after its type, shape and layout were checked.
std::span<const uint8_t> Shard::Impl::locate(const h5::File& h5, const std::string& name, h5::Type type, const std::vector<uint64_t>& shape,
                                             size_t text_bytes) const {
  if (!h5.has(name)) refuse(path, "data set '{}' is missing", name);
  const h5::Info info = h5.info(name);
  if (info.type != type || info.text_bytes != text_bytes) refuse(path, "data set '{}' has another element type than the format says", name);
  if (info.shape != shape) refuse(path, "data set '{}' has shape [{}], need [{}]", name, fmt::join(info.shape, ", "), fmt::join(shape, ", "));
  if (info.count() == 0) return {};
  const uint64_t bytes = info.count() * (type == h5::Type::kText ? text_bytes : h5::element_size(type));
  if (!info.offset || info.stored_bytes < bytes) refuse(path, "data set '{}' is not contiguous", name);
  if (*info.offset > file->size() || bytes > file->size() - *info.offset) refuse(path, "data set '{}' lies beyond the end of the file", name);
  return file->bytes(*info.offset, bytes);
}

void Shard::Impl::open_index(const h5::File& h5) {
  const uint64_t n = header.n_tiles;
  crc32c = Column<uint32_t>(locate(h5, "crc32c", h5::Type::kU32, {n}));
  coords = Column<int32_t>(locate(h5, "coords", h5::Type::kI32, {n, 2}));
  slide = Column<uint32_t>(locate(h5, "slide", h5::Type::kU32, {n}));
  level0_size = Column<uint32_t>(locate(h5, "level0_size", h5::Type::kU32, {n}));
  tissue = Column<uint8_t>(locate(h5, "tissue", h5::Type::kU8, {n}));
  qc = Column<uint16_t>(locate(h5, "qc", h5::Type::kU16, {n}));
  for (const auto& name : h5.members("/"))
    if (name.rfind(kLabelPrefix, 0) == 0 && !h5.is_group(name)) columns.push_back(name.substr(std::strlen(kLabelPrefix)));
  if (h5.has(kClusterColumn) && std::find(columns.begin(), columns.end(), kClusterColumn) == columns.end()) columns.push_back(kClusterColumn);
}

void Shard::Impl::open_payload(const h5::File& h5) {
  const uint64_t n = header.n_tiles;
  const bool raw = header.codec == Codec::kRaw;
  record_bytes = uint64_t{header.tile_height} * header.tile_width * 3;
  const auto payload = raw ? locate(h5, "pixels", h5::Type::kU8, {n, header.tile_height, header.tile_width, 3})
                           : locate(h5, "jpeg", h5::Type::kU8, {header.data_bytes});
  if (payload.size() != header.data_bytes) refuse(path, "attribute 'data_bytes' is {}, the payload has {}", header.data_bytes, payload.size());
  payload_offset = payload.empty() ? 0 : static_cast<uint64_t>(payload.data() - file->bytes(0, 0).data());
  if (raw) return;
  offsets = Column<uint64_t>(locate(h5, "offsets", h5::Type::kU64, {n + 1}));
}

void Shard::Impl::check_offsets() const {
  if (header.codec == Codec::kRaw) return;
  const uint64_t n = header.n_tiles;
  if (offsets[0] != 0) refuse(path, "the offsets do not begin with 0 (got {})", offsets[0]);
  for (uint64_t i = 0; i < n; ++i)
    if (offsets[i + 1] < offsets[i]) refuse(path, "the offsets fall at tile {} (from {} to {})", i, offsets[i], offsets[i + 1]);
  if (offsets[n] != header.data_bytes) refuse(path, "the offsets end at {}, the payload has {} bytes", offsets[n], header.data_bytes);
}

void Shard::Impl::open_slides(const h5::File& h5) {
  for (size_t k = 0; k < kSlideColumns.size(); ++k) {
    const SlideColumn& column = kSlideColumns[k];
    slide_columns[k] = locate(h5, std::string("slides/") + column.name, column.type, {header.n_slides}, column.text_bytes);
  }
  slides.resize(header.n_slides);
  std::vector<uint8_t> bytes;
  for (size_t k = 0; k < kSlideColumns.size(); ++k) {
    bytes.resize(slide_columns[k].size());
    file->look([&] { std::copy(slide_columns[k].begin(), slide_columns[k].end(), bytes.begin()); });
    decode_slide_column(k, bytes, slides);
  }
}

void Shard::Impl::check_rows() const {
  for (uint64_t i = 0; i < header.n_tiles; ++i)
    if (slide[i] >= header.n_slides) refuse(path, "tile {} belongs to slide {} of {}", i, slide[i], header.n_slides);
}

void Shard::Impl::check_index_checksum() const {
  uint32_t crc = 0;
  if (header.codec == Codec::kRaw) {
    for (uint64_t i = 0; i <= header.n_tiles; ++i) {
      const uint64_t running = i * record_bytes;
      crc = eosin::crc32c({reinterpret_cast<const uint8_t*>(&running), sizeof running}, crc);
    }
  }
  for (const auto& bytes : {offsets.bytes(), crc32c.bytes(), coords.bytes(), slide.bytes(), level0_size.bytes(), tissue.bytes(), qc.bytes()})
    crc = eosin::crc32c(bytes, crc);
  for (const auto& bytes : slide_columns) crc = eosin::crc32c(bytes, crc);
  if (crc != header.index_crc32c) refuse(path, "the index is damaged (checksum {:08x}, need {:08x})", crc, header.index_crc32c);
}

/// Shards that were written before columns had checksums have none; nor have columns that other programs add.
void Shard::Impl::check_column(const h5::File& h5, const std::string& dataset, const h5::Info& info) const {
  const auto want = h5.integer(dataset, kColumnChecksum);
  if (!want) return;
  const auto bytes = locate(h5, dataset, info.type, info.shape, info.text_bytes);
  uint32_t crc = 0;
  file->look([&] { crc = eosin::crc32c(bytes); });
  if (crc != *want) refuse(path, "column '{}' is damaged (checksum {:08x}, need {:08x})", dataset, crc, *want);
}

Shard::Shard(const std::string& path, bool check_index) : impl_(std::make_unique<Impl>()) {
  const h5::File h5 = h5::File::open(path);
  impl_->path = path;
  impl_->header = read_header(h5);
  impl_->file = std::make_unique<ShardFile>(path);
  impl_->open_index(h5);
  impl_->open_payload(h5);
  impl_->open_slides(h5);
  impl_->file->look([&] {
    impl_->check_offsets();
    impl_->check_rows();
    if (check_index) impl_->check_index_checksum();
  });
  impl_->file->let_go();  // the checks read all of the index; a list of many shards would keep it in memory
}

Shard::~Shard() = default;
Shard::Shard(Shard&&) noexcept = default;

const std::string& Shard::path() const { return impl_->path; }
const ShardHeader& Shard::header() const { return impl_->header; }
const std::vector<SlideRow>& Shard::slides() const { return impl_->slides; }
uint64_t Shard::file_bytes() const { return impl_->file->size(); }
uint64_t Shard::offset(uint64_t index) const {
  uint64_t at = 0;
  impl_->file->look([&] { at = impl_->offset(index); });
  return at;
}
uint64_t Shard::size(uint64_t index) const { return impl_->place(index).size; }
const std::vector<std::string>& Shard::columns() const { return impl_->columns; }
int Shard::descriptor() const { return impl_->file->descriptor(); }
uint64_t Shard::payload_offset() const { return impl_->payload_offset; }

TileRow Shard::tile(uint64_t index) const {
  EOSIN_ASSERT(index < n_tiles());
  const Impl& s = *impl_;
  TileRow row;
  s.file->look([&] {
    row = {s.slide[index], s.coords[2 * index], s.coords[2 * index + 1], s.level0_size[index], s.tissue[index], s.qc[index], s.crc32c[index]};
  });
  return row;
}

std::string Shard::describe(uint64_t index) const {
  try {
    const TileRow row = tile(index);
    return fmt::format("{}: tile {} (slide {}, x {}, y {})", impl_->path, index, impl_->slides[row.slide].id, row.x, row.y);
  } catch (const Error&) {  // the index went with the file's end
    return fmt::format("{}: tile {}", impl_->path, index);
  }
}

/// Reads a record's bytes into `buffer`, which never shrinks, so that nothing is cleared again.
std::span<const uint8_t> Shard::read_record(uint64_t index, const RecordPlace& place, std::vector<uint8_t>& buffer) const {
  const size_t n = place.size;
  if (buffer.size() < n) buffer.resize(n);
  for (size_t done = 0; done < n;) {
    const auto at = static_cast<off_t>(impl_->payload_offset + place.offset + done);
    const ssize_t got = ::pread(impl_->file->descriptor(), buffer.data() + done, n - done, at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(fmt::format("[{}] cannot read", describe(index)), errno);
    EOSIN_CHECK(got > 0, Io, "[{}] the file ends inside the record: it was truncated after it was opened", describe(index));
    done += static_cast<size_t>(got);
  }
  return {buffer.data(), n};
}

std::span<const uint8_t> Shard::read_unchecked(uint64_t index, std::vector<uint8_t>& buffer) const {
  EOSIN_ASSERT(index < n_tiles());
  return read_record(index, impl_->place(index), buffer);
}

std::span<const uint8_t> Shard::read(uint64_t index, std::vector<uint8_t>& buffer) const {
  EOSIN_ASSERT(index < n_tiles());
  const RecordPlace place = impl_->place(index);
  const auto bytes = read_record(index, place, buffer);
  const uint32_t crc = eosin::crc32c(bytes), want = place.crc32c;
  EOSIN_CHECK(crc == want, Data, "[{}] the record is damaged (checksum {:08x}, need {:08x})", describe(index), crc, want);
  return bytes;
}

void Shard::will_read(uint64_t offset, uint64_t bytes) const {
  constexpr uint64_t kOnce = 128 << 10;  // the system drops what goes beyond a device's read-ahead, as a rule this much
  for (uint64_t at = offset; at < offset + bytes; at += kOnce)
    ::posix_fadvise(impl_->file->descriptor(), static_cast<off_t>(impl_->payload_offset + at),
                    static_cast<off_t>(std::min(kOnce, offset + bytes - at)), POSIX_FADV_WILLNEED);
}

void Shard::read_image(uint64_t index, std::vector<uint8_t>& buffer, Image& out) const {
  decode_record(
      read(index, buffer), impl_->header, [&] { return describe(index); }, out);
}

std::vector<std::string> Shard::column(const std::string& name) const {
  const h5::File h5 = h5::File::open(impl_->path);
  if (read_header(h5).uuid != header().uuid) refuse(impl_->path, "another shard was put in its place after it was opened");
  const std::string labels = kLabelPrefix + name;
  const std::string dataset = name == kClusterColumn && !h5.has(labels) ? name : labels;
  if (!h5.has(dataset)) refuse(impl_->path, "has no column '{}' (columns: {})", dataset, fmt::join(impl_->columns, ", "));
  const h5::Info info = h5.info(dataset);
  if (info.shape != std::vector<uint64_t>{n_tiles()}) refuse(impl_->path, "column '{}' does not have one value a tile", dataset);
  impl_->check_column(h5, dataset, info);
  if (info.type == h5::Type::kText) return h5.read_text(dataset);
  std::vector<std::string> texts;
  const bool real = info.type == h5::Type::kF16 || info.type == h5::Type::kF32 || info.type == h5::Type::kF64;
  if (real)
    for (double v : h5.read<double>(dataset)) texts.push_back(fmt::format("{}", v));
  else
    for (int64_t v : h5.read<int64_t>(dataset)) texts.push_back(fmt::format("{}", v));
  return texts;
}

const char* name(Codec codec) noexcept { return codec == Codec::kRaw ? "raw" : "jpeg"; }

std::string uuid_text(const std::array<uint8_t, 16>& uuid) {
  std::string text;
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", uuid[i]);
  }
  return text;
}

}  // namespace eosin::data
