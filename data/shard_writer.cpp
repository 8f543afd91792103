#include "data/shard_writer.h"

#include "core/base/atomic_file.h"
#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "core/base/version.h"
#include "core/tensor/hdf5.h"
#include "data/shard_layout.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <numeric>

namespace eosin::data {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 22;

/// A descriptor that closes itself.
struct Descriptor {
  int fd;
  ~Descriptor() { ::close(fd); }
};

std::array<uint8_t, 16> random_uuid() {
  std::array<uint8_t, 16> uuid;
  EOSIN_CHECK(::getrandom(uuid.data(), uuid.size(), 0) == static_cast<ssize_t>(uuid.size()), Io, "[tile store] the system gave no random bytes");
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0F) | 0x40);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3F) | 0x80);
  return uuid;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

bool slide_column_never_falls(const std::vector<TileRow>& tiles) {
  return std::is_sorted(tiles.begin(), tiles.end(), [](const TileRow& a, const TileRow& b) { return a.slide < b.slide; });
}

/// Sets first and count of every slide.
void count_tiles(const std::vector<TileRow>& tiles, bool ordered, std::vector<SlideRow>& slides) {
  for (auto& s : slides) s.first = s.count = 0;
  for (size_t i = 0; i < tiles.size(); ++i) {
    SlideRow& s = slides.at(tiles[i].slide);
    if (ordered && s.count == 0) s.first = i;
    ++s.count;
  }
}

/// The index as the file's columns hold it.
struct Columns {
  std::vector<uint64_t> offsets;
  std::vector<uint32_t> crc32c, slide, level0_size;
  std::vector<int32_t> coords;
  std::vector<uint8_t> tissue;
  std::vector<uint16_t> qc;
  std::array<std::vector<uint8_t>, kSlideColumns.size()> slides;

  explicit Columns(const ShardIndex& index) {
    offsets.resize(index.sizes.size() + 1);
    std::partial_sum(index.sizes.begin(), index.sizes.end(), offsets.begin() + 1);
    for (const TileRow& t : index.tiles) {
      crc32c.push_back(t.crc32c), slide.push_back(t.slide), level0_size.push_back(t.level0_size);
      coords.push_back(t.x), coords.push_back(t.y), tissue.push_back(t.tissue), qc.push_back(t.qc);
    }
    for (size_t k = 0; k < slides.size(); ++k) slides[k] = encode_slide_column(k, index.slides);
  }

  /// About what the index takes in the file.
  uint64_t bytes() const {
    uint64_t n = 31 * slide.size();
    for (const auto& column : slides) n += column.size();
    return n;
  }

  uint32_t checksum() const {
    uint32_t crc = 0;
    const auto add = [&crc](const auto& column) {
      crc = eosin::crc32c({reinterpret_cast<const uint8_t*>(column.data()), column.size() * sizeof(column[0])}, crc);
    };
    add(offsets), add(crc32c), add(coords), add(slide), add(level0_size), add(tissue), add(qc);
    for (const auto& column : slides) add(column);
    return crc;
  }
};

void write_attributes(h5::File& file, const ShardHeader& h) {
  const uint32_t version[] = {1, h.format_minor};
  file.set_text("/", "format", "eosin-tiles");
  file.set_attribute<uint32_t>("/", "format_version", version, {2});
  file.set_attribute<uint8_t>("/", "uuid", h.uuid, {h.uuid.size()});
  file.set_text("/", "writer", h.writer);
  file.set_text("/", "created_utc", h.created_utc);
  file.set_text("/", "codec", name(h.codec));
  file.set_text("/", "jpeg_subsampling", h.jpeg_subsampling);
  file.set_text("/", "order", h.ordered_by_slide ? "slide" : "shuffled");
  file.set_attribute("/", "tile_height", h.tile_height);
  file.set_attribute("/", "tile_width", h.tile_width);
  file.set_attribute("/", "channels", uint32_t{3});
  file.set_attribute("/", "overlap", h.overlap);
  file.set_attribute("/", "jpeg_quality", h.jpeg_quality);
  file.set_attribute("/", "n_tiles", h.n_tiles);
  file.set_attribute("/", "n_slides", h.n_slides);
  file.set_attribute("/", "data_bytes", h.data_bytes);
  file.set_attribute("/", "target_mpp", h.target_mpp);
  file.set_attribute("/", "lossless_tile_copy", static_cast<uint8_t>(h.lossless_tile_copy));
  file.set_attribute("/", "index_crc32c", h.index_crc32c);
  if (!h.identity.empty()) file.set_text("/", "identity", h.identity);
  if (!h.stain.empty()) file.set_text("/", "stain", h.stain);
  file.set_attribute("/", kHeaderChecksum, header_checksum(h));
}

/// The texts of a column, padding included, so that the file holds the very bytes of the checksum.
std::vector<std::string> texts_of(const std::vector<uint8_t>& column, size_t text_bytes) {
  std::vector<std::string> texts;
  for (auto at = column.begin(); at != column.end(); at += static_cast<ptrdiff_t>(text_bytes))
    texts.emplace_back(at, at + static_cast<ptrdiff_t>(text_bytes));
  return texts;
}

/// Of texts that are padded with zeros.
uint32_t padded_checksum(const std::vector<std::string>& texts, size_t text_bytes) {
  uint32_t crc = 0;
  std::string padded;
  for (const auto& text : texts) {
    padded = text;
    padded.resize(text_bytes, '\0');
    crc = crc32c(padded, crc);
  }
  return crc;
}

void write_index(h5::File& file, const ShardIndex& index, const Columns& c) {
  const uint64_t n = index.tiles.size(), s = index.slides.size();
  if (index.format.codec == Codec::kJpeg) file.write<uint64_t>("offsets", c.offsets, {n + 1});
  file.write<uint32_t>("crc32c", c.crc32c, {n});
  file.write<int32_t>("coords", c.coords, {n, 2});
  file.write<uint32_t>("slide", c.slide, {n});
  file.write<uint32_t>("level0_size", c.level0_size, {n});
  file.write<uint8_t>("tissue", c.tissue, {n});
  file.write<uint16_t>("qc", c.qc, {n});
  file.create_group("slides");
  for (size_t k = 0; k < kSlideColumns.size(); ++k) {
    const SlideColumn& column = kSlideColumns[k];
    const std::string path = std::string("slides/") + column.name;
    if (column.type == h5::Type::kText) {
      file.write_text(path, texts_of(c.slides[k], column.text_bytes), {.text_bytes = column.text_bytes});
    } else {
      file.create_dataset(path, column.type, {s});
      file.write_rows(path, column.type, c.slides[k].data(), c.slides[k].size(), 0, s);
    }
  }
  for (const auto& [name, texts] : index.columns) {
    size_t longest = 1;
    for (const auto& text : texts) longest = std::max(longest, text.size());
    file.write_text(kLabelPrefix + name, texts, {.text_bytes = longest});
    file.set_attribute(kLabelPrefix + name, kColumnChecksum, padded_checksum(texts, longest));
  }
}

void create_payload(h5::File& file, const ShardHeader& h) {
  if (h.codec == Codec::kJpeg) return file.create_dataset("jpeg", h5::Type::kU8, {h.data_bytes});
  file.create_dataset("pixels", h5::Type::kU8, {h.n_tiles, h.tile_height, h.tile_width, 3});
}

ShardHeader header_of(const ShardIndex& index, const Columns& columns) {
  ShardHeader h;
  static_cast<TileFormat&>(h) = index.format;
  h.uuid = random_uuid();
  h.writer = std::string("eosin ") + version();
  h.created_utc = utc_now();
  h.ordered_by_slide = index.ordered_by_slide;
  h.n_tiles = index.tiles.size();
  h.n_slides = index.slides.size();
  h.data_bytes = columns.offsets.back();
  h.index_crc32c = columns.checksum();
  h.identity = index.identity;
  return h;
}

/// Takes disk space, or says how much is missing; file systems that cannot do so say it when they are full.
void take_space(int fd, uint64_t offset, uint64_t bytes, const std::string& path) {
  if (bytes == 0) return;  // a store without slides; fallocate() refuses an empty range
  const int code = ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  if (code != 0 && code != EOPNOTSUPP && code != ENOSYS) fail_write(path, bytes, code);
}

/// Fails before any work if the whole shard does not fit; HDF5's own errors do not say how much was needed.
void check_space(const std::string& tmp, const Columns& columns, const ShardHeader& header) {
  const Descriptor file{::open(tmp.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)};
  if (file.fd < 0) fail_errno(fmt::format("[{}] cannot create", tmp), errno);
  take_space(file.fd, 0, header.data_bytes + columns.bytes(), tmp);
}

/// Writes all but the name: what is left behind on an error is removed by the caller.
void write_whole(const std::string& tmp, const ShardIndex& index, const Columns& columns, const ShardHeader& header,
                 const std::function<void(PayloadSink&)>& write_payload) {
  check_space(tmp, columns, header);
  h5::File file = h5::File::create(tmp);
  write_attributes(file, header);
  write_index(file, index, columns);
  create_payload(file, header);
  file.flush();
  if (header.data_bytes > 0) {
    const uint64_t offset = file.info(header.codec == Codec::kJpeg ? "jpeg" : "pixels").offset.value();
    const Descriptor out{::open(tmp.c_str(), O_WRONLY | O_CLOEXEC)};
    if (out.fd < 0) fail_errno(fmt::format("[{}] cannot open", tmp), errno);
    take_space(out.fd, offset, header.data_bytes, tmp);
    PayloadSink sink(out.fd, offset, tmp);
    write_payload(sink);
    sink.flush();
    EOSIN_ASSERT(sink.written() == header.data_bytes);
  }
  file.set_attribute("/", "complete", uint8_t{1});
  file.close();
}

}  // namespace

void PayloadSink::append(std::span<const uint8_t> bytes) {
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  if (pending_.size() >= kBufferBytes) flush();
}

void PayloadSink::flush() {
  for (size_t done = 0; done < pending_.size();) {
    const ssize_t n = ::pwrite(fd_, pending_.data() + done, pending_.size() - done, static_cast<off_t>(offset_ + written_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_write(path_, pending_.size() - done, errno);
    done += static_cast<size_t>(n);
    written_ += static_cast<uint64_t>(n);
  }
  pending_.clear();
}

uint32_t PayloadSink::copy(int from, uint64_t offset, uint64_t bytes, const std::string& from_path) {
  uint32_t crc = 0;
  for (uint64_t done = 0; done < bytes;) {
    const size_t n = std::min<uint64_t>(bytes - done, kBufferBytes);
    const size_t at = pending_.size();
    pending_.resize(at + n);
    const ssize_t got = ::pread(from, pending_.data() + at, n, static_cast<off_t>(offset + done));
    pending_.resize(at + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(fmt::format("[{}] cannot read", from_path), errno);
    EOSIN_CHECK(got > 0, Io, "[{}] ended while it was copied", from_path);
    done += static_cast<uint64_t>(got);
    crc = crc32c(std::span(pending_).subspan(at), crc);
    if (pending_.size() >= kBufferBytes) flush();
  }
  return crc;
}

ShardHeader write_shard(const std::string& path, ShardIndex index, const std::function<void(PayloadSink&)>& write_payload) {
  EOSIN_ASSERT(index.tiles.size() == index.sizes.size());
  for (const auto& [name, texts] : index.columns) EOSIN_ASSERT(texts.size() == index.tiles.size());
  if (index.format.codec == Codec::kRaw) {
    const uint64_t record = uint64_t{index.format.tile_height} * index.format.tile_width * 3;
    for (uint64_t size : index.sizes) EOSIN_CHECK(size == record, Data, "[{}] a raw record has {} bytes (need {})", path, size, record);
  }
  index.ordered_by_slide = index.ordered_by_slide && slide_column_never_falls(index.tiles);
  count_tiles(index.tiles, index.ordered_by_slide, index.slides);
  const Columns columns(index);
  const ShardHeader header = header_of(index, columns);
  write_beside(path, [&](const std::string& temporary) { write_whole(temporary, index, columns, header, write_payload); });
  return header;
}

}  // namespace eosin::data
