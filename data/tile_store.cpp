#include "data/tile_store.h"

#include "core/base/error.h"
#include "data/store_manifest.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <unordered_map>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

/// One shard of the list; opened when it is needed.
struct Slot {
  std::string path;
  std::optional<ShardEntry> expected;  // what the manifest says
  uint64_t first = 0, n_tiles = 0;
  std::mutex opening;
  std::unique_ptr<const Shard> shard;
  std::atomic<const Shard*> open{nullptr};  // the same, once it is there: reads take no lock
};

/// The number of every shard's slides in the joined table.
struct SlideNumbers {
  std::vector<std::vector<uint32_t>> of_shard;  // a shard's row -> row of slides()
  size_t count = 0;
};

constexpr rlim_t kOtherDescriptors = 256;              // beside the shards: slides, logs, checkpoints, sockets
constexpr uint64_t kGap = 64 << 10, kPiece = 8 << 20;  // pieces nearer than kGap are fetched as one, up to kPiece

/// Every shard stays open once it was read: what all stores of the process may come to hold.
class Descriptors {
 public:
  Descriptors() = default;
  ~Descriptors() { all_ -= mine_; }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  void claim(size_t n_shards, const std::string& path) {
    mine_ += n_shards;
    const rlim_t need = (all_ += n_shards) + kOtherDescriptors;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need) return;
    EOSIN_CHECK(limit.rlim_max >= need, Config, "[{}] has {} shards, but this process may hold {} files open (need {}); raise `ulimit -n`", path,
                n_shards, limit.rlim_max, need);
    limit.rlim_cur = need;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }

 private:
  static inline std::atomic<rlim_t> all_ = 0;
  rlim_t mine_ = 0;
};

void check_against_manifest(const Shard& shard, const ShardEntry& want) {
  const ShardHeader& got = shard.header();
  const auto check = [&](const char* what, const auto& g, const auto& w) {
    EOSIN_CHECK(g == w, Data, "[{}] is not the shard of the manifest: its {} is {}, the manifest says {}", shard.path(), what, g, w);
  };
  check("uuid", uuid_text(got.uuid), want.uuid);
  check("n_tiles", got.n_tiles, want.n_tiles);
  check("index_crc32c", got.index_crc32c, want.index_crc32c);
  if (!want.slides) return;
  check("order", got.ordered_by_slide, want.ordered_by_slide);
  check("number of slides", shard.slides().size(), want.slides->size());
  for (size_t i = 0; i < want.slides->size(); ++i) {
    const SlideRow &g = shard.slides()[i], &w = (*want.slides)[i];
    EOSIN_CHECK(g.id == w.id && g.first == w.first && g.count == w.count, Data,
                "[{}] is not the shard of the manifest: its slide {} is '{}' with tiles {} + {}, the manifest says '{}' with {} + {}", shard.path(),
                i, g.id, g.first, g.count, w.id, w.first, w.count);
  }
}

void check_format(const Shard& shard, const TileFormat& want) {
  const TileFormat& got = shard.header();
  EOSIN_CHECK(got.codec == want.codec && got.tile_height == want.tile_height && got.tile_width == want.tile_width, Data,
              "[{}] holds {} tiles of {} x {} pixels, but its store {} of {} x {}; one store has one tile format", shard.path(), name(got.codec),
              got.tile_width, got.tile_height, name(want.codec), want.tile_width, want.tile_height);
}

std::vector<std::string> shards_in(const fs::path& folder) {
  std::vector<std::string> shards;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string extension = entry.path().extension().string();
    EOSIN_CHECK(extension != ".part" && extension != ".tmp" && extension != ".lock", Data,
                "[{}] is not complete (found {}); run the command that writes it again", folder.string(), entry.path().filename().string());
    if (extension == ".h5") shards.push_back(entry.path().string());
  }
  std::sort(shards.begin(), shards.end());
  EOSIN_CHECK(!shards.empty(), Data, "[{}] holds no store.json and no shards (*.h5)", folder.string());
  return shards;
}

}  // namespace

struct TileStore::Impl {
  std::string path;
  Descriptors descriptors;
  std::vector<std::unique_ptr<Slot>> slots;
  std::optional<TileFormat> format;  // what every shard must hold: of the manifest, else of the first shard
  mutable std::once_flag numbers_once, slides_once, digest_once;
  mutable SlideNumbers numbers;
  mutable std::vector<SlideRow> slides;
  mutable std::string digest;

  void add(std::string shard_path, std::optional<ShardEntry> expected);
  void list(const std::string& store_path);
  void list_manifest(const fs::path& manifest);
  const Shard& shard(size_t k) const;
  size_t slot_of(uint64_t index) const;
  const std::vector<SlideRow>& shard_slides(size_t k) const;
  const SlideNumbers& slide_numbers() const;
  SlideNumbers number_slides() const;
  std::vector<SlideRow> join_slides() const;
};

void TileStore::Impl::add(std::string shard_path, std::optional<ShardEntry> expected) {
  auto slot = std::make_unique<Slot>();
  slot->path = std::move(shard_path);
  slot->expected = std::move(expected);
  slot->first = slots.empty() ? 0 : slots.back()->first + slots.back()->n_tiles;
  slots.push_back(std::move(slot));
  Slot& added = *slots.back();
  added.n_tiles = added.expected ? added.expected->n_tiles : shard(slots.size() - 1).n_tiles();
}

void TileStore::Impl::list_manifest(const fs::path& manifest) {
  std::set<std::string> uuids;
  StoreManifest read = read_manifest(manifest.string());
  format = read.format;
  for (auto& entry : read.shards) {
    EOSIN_CHECK(uuids.insert(entry.uuid).second, Data, "[{}] lists the shard {} (uuid {}) twice", manifest.string(), entry.path, entry.uuid);
    const fs::path file = manifest.parent_path() / entry.path;
    std::error_code code;
    const uint64_t bytes = fs::file_size(file, code);
    EOSIN_CHECK(!code, Io, "[{}] the manifest lists it, but it cannot be read: {}", file.string(), code.message());
    EOSIN_CHECK(bytes == entry.bytes, Data, "[{}] has {} bytes, the manifest says {}", file.string(), bytes, entry.bytes);
    add(file.string(), std::move(entry));
  }
  EOSIN_CHECK(!slots.empty(), Data, "[{}] lists no shard", manifest.string());
  descriptors.claim(slots.size(), manifest.string());
}

void TileStore::Impl::list(const std::string& store_path) {
  const fs::path p(store_path);
  EOSIN_CHECK(fs::exists(p), Io, "[{}] does not exist", store_path);
  if (fs::is_directory(p) && fs::exists(p / kManifestName)) return list_manifest(p / kManifestName);
  if (p.extension() == ".json") return list_manifest(p);
  if (!fs::is_directory(p)) return add(store_path, std::nullopt);
  const auto shards = shards_in(p);
  descriptors.claim(shards.size(), store_path);
  for (const auto& shard_path : shards) {
    add(shard_path, std::nullopt);
    if (!format) format = shard(0).header();
  }
}

const Shard& TileStore::Impl::shard(size_t k) const {
  Slot& slot = *slots[k];
  if (const Shard* open = slot.open.load(std::memory_order_acquire)) return *open;
  const std::lock_guard lock(slot.opening);
  if (!slot.shard) {
    auto opened = std::make_unique<const Shard>(slot.path);
    if (slot.expected) check_against_manifest(*opened, *slot.expected);
    if (format) check_format(*opened, *format);
    slot.shard = std::move(opened);
    slot.open.store(slot.shard.get(), std::memory_order_release);
  }
  return *slot.shard;
}

size_t TileStore::Impl::slot_of(uint64_t index) const {
  EOSIN_ASSERT(index < slots.back()->first + slots.back()->n_tiles);
  const auto after = std::upper_bound(slots.begin(), slots.end(), index, [](uint64_t i, const auto& slot) { return i < slot->first; });
  return static_cast<size_t>(after - slots.begin()) - 1;
}

const std::vector<SlideRow>& TileStore::Impl::shard_slides(size_t k) const {
  const auto& expected = slots[k]->expected;
  return expected && expected->slides ? *expected->slides : shard(k).slides();
}

const SlideNumbers& TileStore::Impl::slide_numbers() const {
  std::call_once(numbers_once, [this] { numbers = number_slides(); });
  return numbers;
}

SlideNumbers TileStore::Impl::number_slides() const {
  SlideNumbers all;
  std::unordered_map<std::string, uint32_t> number_of;
  for (size_t k = 0; k < slots.size(); ++k) {
    auto& shard_numbers = all.of_shard.emplace_back();
    for (const SlideRow& row : shard_slides(k))
      shard_numbers.push_back(number_of.emplace(row.id, static_cast<uint32_t>(number_of.size())).first->second);
  }
  all.count = number_of.size();
  return all;
}

/// Opens every shard.
std::vector<SlideRow> TileStore::Impl::join_slides() const {
  std::vector<SlideRow> rows;
  std::set<std::string> uuids;
  std::vector<bool> apart;  // the slide's tiles do not lie together
  for (size_t k = 0; k < slots.size(); ++k) {
    const Shard& s = shard(k);
    EOSIN_CHECK(uuids.insert(uuid_text(s.header().uuid)).second, Data, "[{}] the same shard (uuid {}) is in the store twice", s.path(),
                uuid_text(s.header().uuid));
    for (size_t i = 0; i < s.slides().size(); ++i) {
      const SlideRow& row = s.slides()[i];
      const size_t number = slide_numbers().of_shard[k][i];
      if (number == rows.size()) {
        rows.push_back(row);
        rows.back().first = rows.back().count = 0;
        apart.push_back(false);
      }
      SlideRow& joined = rows[number];
      EOSIN_CHECK(joined.sha256 == row.sha256, Data, "[{}] slide '{}' has sha256 '{}', another shard says '{}'; two slides have one id", s.path(),
                  row.id, row.sha256, joined.sha256);
      if (row.count == 0) continue;
      const uint64_t first = slots[k]->first + row.first;
      if (!s.header().ordered_by_slide || (joined.count > 0 && joined.first + joined.count != first)) apart[number] = true;
      if (joined.count == 0) joined.first = first;
      joined.count += row.count;
    }
  }
  for (size_t i = 0; i < rows.size(); ++i)
    if (apart[i]) rows[i].first = 0;
  return rows;
}

TileStore::TileStore(const std::string& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  impl_->list(path);
}
TileStore::~TileStore() = default;
TileStore::TileStore(TileStore&&) noexcept = default;

uint64_t TileStore::n_tiles() const { return impl_->slots.back()->first + impl_->slots.back()->n_tiles; }
const TileFormat& TileStore::format() const { return impl_->shard(0).header(); }
const std::vector<SlideRow>& TileStore::slides() const {
  std::call_once(impl_->slides_once, [this] { impl_->slides = impl_->join_slides(); });
  return impl_->slides;
}
size_t TileStore::n_slides() const { return impl_->slide_numbers().count; }
size_t TileStore::n_shards() const { return impl_->slots.size(); }
const Shard& TileStore::shard(size_t k) const { return impl_->shard(k); }
uint64_t TileStore::shard_first(size_t k) const { return impl_->slots[k]->first; }
uint64_t TileStore::shard_tiles(size_t k) const { return impl_->slots[k]->n_tiles; }
const std::string& TileStore::file(uint64_t index) const { return impl_->slots[impl_->slot_of(index)]->path; }
const std::vector<SlideRow>& TileStore::shard_slides(size_t k) const { return impl_->shard_slides(k); }

bool TileStore::shard_ordered_by_slide(size_t k) const {
  const auto& expected = impl_->slots[k]->expected;
  return expected && expected->slides ? expected->ordered_by_slide : shard(k).header().ordered_by_slide;
}

TileRow TileStore::tile(uint64_t index) const {
  const size_t k = impl_->slot_of(index);
  TileRow row = impl_->shard(k).tile(index - impl_->slots[k]->first);
  row.slide = impl_->slide_numbers().of_shard[k][row.slide];
  return row;
}

std::span<const uint8_t> TileStore::read(uint64_t index, std::vector<uint8_t>& buffer) const {
  const size_t k = impl_->slot_of(index);
  return impl_->shard(k).read(index - impl_->slots[k]->first, buffer);
}

std::span<const uint8_t> TileStore::read_unchecked(uint64_t index, std::vector<uint8_t>& buffer) const {
  const size_t k = impl_->slot_of(index);
  return impl_->shard(k).read_unchecked(index - impl_->slots[k]->first, buffer);
}

void TileStore::read_image(uint64_t index, std::vector<uint8_t>& buffer, Image& out) const {
  const size_t k = impl_->slot_of(index);
  impl_->shard(k).read_image(index - impl_->slots[k]->first, buffer, out);
}

std::string TileStore::describe(uint64_t index) const {
  const size_t k = impl_->slot_of(index);
  return impl_->shard(k).describe(index - impl_->slots[k]->first);
}

void TileStore::will_read(std::vector<TileRange> tiles) const {
  std::sort(tiles.begin(), tiles.end(), [](const TileRange& a, const TileRange& b) { return a.first < b.first; });
  size_t k = 0;
  uint64_t begin = 0, end = 0;  // of the piece in hand, in the payload of shard k
  const auto fetch = [&] {
    if (end > begin) impl_->shard(k).will_read(begin, end - begin);
    begin = end = 0;
  };
  for (TileRange range : tiles)
    while (range.count > 0) {
      const size_t here = impl_->slot_of(range.first);
      const Slot& slot = *impl_->slots[here];
      const uint64_t n = std::min(range.count, slot.first + slot.n_tiles - range.first);
      try {
        const Shard& s = impl_->shard(here);
        const uint64_t from = s.offset(range.first - slot.first);
        const uint64_t to = s.offset(range.first - slot.first + n - 1) + s.size(range.first - slot.first + n - 1);
        if (here != k || from > end + kGap || to - begin > kPiece) fetch();
        if (begin == end) begin = from;
        k = here, end = std::max(end, to);
      } catch (const Error& e) {
        if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Io) throw;
      }
      range.first += n, range.count -= n;
    }
  fetch();
}

std::vector<std::string> TileStore::columns() const {
  std::vector<std::string> names = impl_->shard(0).columns();
  for (size_t k = 1; k < n_shards(); ++k) {
    const auto& here = impl_->shard(k).columns();
    std::erase_if(names, [&](const std::string& n) { return std::find(here.begin(), here.end(), n) == here.end(); });
  }
  return names;
}

bool TileStore::has_column(const std::string& name) const {
  const auto names = columns();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<std::string> TileStore::column(const std::string& name) const {
  std::vector<std::string> all;
  for (size_t k = 0; k < n_shards(); ++k) {
    auto part = impl_->shard(k).column(name);
    all.insert(all.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
  }
  return all;
}

std::string TileStore::digest() const {
  std::call_once(impl_->digest_once, [this] {
    std::vector<ShardEntry> entries;
    for (size_t k = 0; k < n_shards(); ++k) {
      const auto& e = impl_->slots[k]->expected;
      entries.push_back(e ? ShardEntry{e->path, e->uuid, e->bytes, e->n_tiles, e->index_crc32c} : entry_of(impl_->shard(k), ""));
    }
    impl_->digest = digest_of(entries);
  });
  return impl_->digest;
}

}  // namespace eosin::data
