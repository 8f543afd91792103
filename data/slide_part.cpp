#include "data/slide_part.h"

#include "core/base/atomic_file.h"
#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "data/shard_layout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <optional>

namespace eosin::data {
namespace {

using nlohmann::json;

// "EOPB", "EOPT", "EOPE"; parts of earlier versions ("EOS...") had no checksum of the heads and are begun anew
constexpr uint32_t kBegin = 0x42504F45, kTile = 0x54504F45, kEnd = 0x45504F45;
constexpr size_t kFieldBytes = 27, kHeadBytes = kFieldBytes + sizeof(uint32_t);
constexpr uint32_t kMaxTileBytes = 1u << 28;

struct Head {
  uint32_t magic = 0, length = 0;
  TileRow tile;
};

template <class Visit>
void visit_head(Head& h, Visit&& visit) {
  visit(h.magic), visit(h.length), visit(h.tile.x), visit(h.tile.y), visit(h.tile.level0_size), visit(h.tile.tissue), visit(h.tile.qc),
      visit(h.tile.crc32c);
}

std::array<uint8_t, kHeadBytes> packed(Head head) {
  std::array<uint8_t, kHeadBytes> bytes;
  uint8_t* at = bytes.data();
  visit_head(head, [&](auto& field) { at = static_cast<uint8_t*>(std::memcpy(at, &field, sizeof field)) + sizeof field; });
  const uint32_t crc = crc32c(std::span(bytes).first(kFieldBytes));
  std::memcpy(at, &crc, sizeof crc);
  return bytes;
}

/// Nothing if the head does not fit its checksum.
std::optional<Head> unpacked(std::span<const uint8_t, kHeadBytes> bytes) {
  uint32_t crc;
  std::memcpy(&crc, bytes.data() + kFieldBytes, sizeof crc);
  if (crc != crc32c(bytes.first(kFieldBytes))) return std::nullopt;
  Head head;
  const uint8_t* at = bytes.data();
  visit_head(head, [&](auto& field) {
    std::memcpy(&field, at, sizeof field);
    at += sizeof field;
  });
  return head;
}

/// Reads up to `n` bytes at `offset`; fewer at the end of the file.
size_t read_at(int fd, uint64_t offset, uint8_t* out, size_t n, const std::string& path) {
  size_t done = 0;
  while (done < n) {
    const ssize_t got = ::pread(fd, out + done, n - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(fmt::format("[{}] cannot read", path), errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

json to_json(const SlideRow& r) {
  return {{"id", r.id},
          {"path", r.path},
          {"sha256", r.sha256},
          {"vendor", r.vendor},
          {"scanner", r.scanner},
          {"patient", r.patient},
          {"site", r.site},
          {"stain", r.stain},
          {"mpp_x", r.mpp_x},
          {"mpp_y", r.mpp_y},
          {"magnification", r.magnification},
          {"width", r.width},
          {"height", r.height},
          {"count", r.count},
          {"copied", r.copied}};
}

SlideRow slide_row_from(const json& j) {
  SlideRow r;
  r.id = j.at("id"), r.path = j.at("path"), r.sha256 = j.at("sha256"), r.vendor = j.at("vendor"), r.scanner = j.at("scanner");
  r.patient = j.at("patient"), r.site = j.at("site"), r.stain = j.at("stain"), r.mpp_x = j.at("mpp_x"), r.mpp_y = j.at("mpp_y");
  r.magnification = j.at("magnification"), r.width = j.at("width"), r.height = j.at("height"), r.count = j.at("count");
  r.copied = j.value("copied", false);
  return r;
}

/// A descriptor that closes itself.
struct Descriptor {
  int fd;
  ~Descriptor() { ::close(fd); }
};

}  // namespace

PartContent scan_part(const std::string& path, bool check_payloads) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail_errno(fmt::format("[{}] cannot open", path), errno);
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail_errno(fmt::format("[{}] cannot read its size", path), errno);
  const auto size = static_cast<uint64_t>(status.st_size);

  PartContent part;
  std::array<uint8_t, kHeadBytes> head_bytes;
  std::vector<uint8_t> payload;
  while (!part.finished && read_at(file.fd, part.valid_bytes, head_bytes.data(), kHeadBytes, path) == kHeadBytes) {
    const std::optional<Head> whole = unpacked(head_bytes);
    if (!whole) break;
    const Head& head = *whole;
    const bool first = part.valid_bytes == 0, text = head.magic != kTile;
    if ((head.magic == kBegin) != first || (text && head.magic != kBegin && head.magic != kEnd)) break;
    if (head.length > size - part.valid_bytes - kHeadBytes) break;
    const uint64_t payload_at = part.valid_bytes + kHeadBytes;
    if (text || check_payloads) {
      payload.resize(head.length);
      if (read_at(file.fd, payload_at, payload.data(), payload.size(), path) != payload.size() || crc32c(payload) != head.tile.crc32c) break;
    }
    if (head.magic == kTile) {
      part.tiles.push_back(head.tile);
      part.offsets.push_back(payload_at);
      part.sizes.push_back(head.length);
    } else {
      const json j = json::parse(payload);
      if (head.magic == kBegin) {
        part.slide_id = j.at("slide"), part.identity = j.at("identity");
      } else {
        part.row = slide_row_from(j.at("row")), part.columns = j.at("columns").get<TextColumns>();
        part.finished = true;
      }
    }
    part.valid_bytes = payload_at + head.length;
  }
  return part;
}

struct SlidePart::Impl {
  std::string path, slide_id, identity;
  int fd = -1;
  std::vector<TileRow> recovered;
  uint64_t n_tiles = 0, bytes = 0, length = 0;  // length: of the whole records in the file

  ~Impl() {
    if (fd >= 0) ::close(fd);
  }
  void cut(uint64_t end);
  void begin();
  void write(Head head, std::span<const uint8_t> payload);
  void write(uint32_t magic, const json& text);
};

/// Everything from `end` on is dropped; writing goes on there.
void SlidePart::Impl::cut(uint64_t end) {
  if (::ftruncate(fd, static_cast<off_t>(end)) != 0 || ::lseek(fd, static_cast<off_t>(end), SEEK_SET) < 0)
    fail_errno(fmt::format("[{}] cannot cut to {} bytes", path, end), errno);
  length = end;
}

void SlidePart::Impl::begin() {
  cut(0);
  recovered.clear();
  n_tiles = bytes = 0;
  write(kBegin, {{"slide", slide_id}, {"identity", identity}});
}

void SlidePart::Impl::write(Head head, std::span<const uint8_t> payload) {
  head.length = static_cast<uint32_t>(payload.size());
  head.tile.crc32c = crc32c(payload);
  auto bytes_of_head = packed(head);
  iovec pieces[] = {{bytes_of_head.data(), kHeadBytes}, {const_cast<uint8_t*>(payload.data()), payload.size()}};
  size_t left = kHeadBytes + payload.size();
  while (left > 0) {
    const ssize_t written = ::writev(fd, pieces, 2);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int code = errno;
      cut(length);  // so that the part stays whole
      fail_write(path, left, code);
    }
    left -= static_cast<size_t>(written);
    for (size_t done = static_cast<size_t>(written), k = 0; k < 2; ++k) {
      const size_t n = std::min(done, pieces[k].iov_len);
      pieces[k].iov_base = static_cast<uint8_t*>(pieces[k].iov_base) + n;
      pieces[k].iov_len -= n;
      done -= n;
    }
  }
  length += kHeadBytes + payload.size();
}

void SlidePart::Impl::write(uint32_t magic, const json& text) {
  const std::string bytes_of_text = text.dump(-1, ' ', false, json::error_handler_t::replace);
  write(Head{magic, 0, {}}, {reinterpret_cast<const uint8_t*>(bytes_of_text.data()), bytes_of_text.size()});
}

SlidePart::SlidePart(const std::string& path, const std::string& slide_id, const std::string& identity) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  impl_->slide_id = slide_id;
  impl_->identity = identity;
  impl_->fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (impl_->fd < 0) fail_errno(fmt::format("[{}] cannot open", path), errno);
  PartContent found = scan_part(path, true);
  if (found.slide_id != slide_id || found.finished) {
    impl_->begin();
    return;
  }
  EOSIN_CHECK(found.identity == identity, Config, "[{}] was begun with other settings; finish it with them, or remove the folder", path);
  impl_->cut(found.valid_bytes);
  impl_->n_tiles = found.tiles.size();
  for (uint64_t size : found.sizes) impl_->bytes += size;
  impl_->recovered = std::move(found.tiles);
}

SlidePart::~SlidePart() = default;
SlidePart::SlidePart(SlidePart&&) noexcept = default;
const std::string& SlidePart::slide_id() const { return impl_->slide_id; }
const std::vector<TileRow>& SlidePart::recovered() const { return impl_->recovered; }
void SlidePart::restart() { impl_->begin(); }
void SlidePart::abandon() { ::unlink(impl_->path.c_str()); }
uint64_t SlidePart::n_tiles() const { return impl_->n_tiles; }
uint64_t SlidePart::bytes() const { return impl_->bytes; }

void SlidePart::append(const TileRow& tile, std::span<const uint8_t> stored_bytes) {
  EOSIN_ASSERT(stored_bytes.size() <= kMaxTileBytes);
  impl_->write(Head{kTile, 0, tile}, stored_bytes);
  ++impl_->n_tiles;
  impl_->bytes += stored_bytes.size();
}

void SlidePart::finish(SlideRow row, const TextColumns& columns) {
  for (const auto& [name, texts] : columns) EOSIN_ASSERT(texts.size() == impl_->n_tiles);
  check_slide_row(row);  // and not when the shard is written
  row.id = impl_->slide_id;
  row.count = impl_->n_tiles;
  impl_->write(kEnd, {{"row", to_json(row)}, {"columns", columns}});
  if (::fsync(impl_->fd) != 0) fail_errno(fmt::format("[{}] cannot sync", impl_->path), errno);
}

}  // namespace eosin::data
