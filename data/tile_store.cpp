#include "data/tile_store.h"

#include "core/base/error.h"
#include "data/store_manifest.h"

#include <algorithm>
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
  std::once_flag once;
  std::unique_ptr<Shard> shard;
};

/// The slide tables of all shards as one.
struct Slides {
  std::vector<SlideRow> rows;
  std::vector<std::vector<uint32_t>> local_to_global;  // a shard's row -> row of `rows`
};

void check_against_manifest(const Shard& shard, const ShardEntry& want) {
  const ShardHeader& got = shard.header();
  const auto check = [&](const char* what, const auto& g, const auto& w) {
    EOSIN_CHECK(g == w, Data, "[{}] is not the shard of the manifest: its {} is {}, the manifest says {}", shard.path(), what, g, w);
  };
  check("uuid", uuid_text(got.uuid), want.uuid);
  check("n_tiles", got.n_tiles, want.n_tiles);
  check("index_crc32c", got.index_crc32c, want.index_crc32c);
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
  std::vector<std::unique_ptr<Slot>> slots;
  mutable std::once_flag slides_once;
  mutable Slides slides;

  void add(std::string shard_path, std::optional<ShardEntry> expected);
  void list(const std::string& store_path);
  void list_manifest(const fs::path& manifest);
  const Shard& shard(size_t k) const;
  size_t slot_of(uint64_t index) const;
  const Slides& joined() const;
  Slides join() const;
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
  for (auto& entry : read_manifest(manifest.string())) {
    const fs::path file = manifest.parent_path() / entry.path;
    std::error_code code;
    const uint64_t bytes = fs::file_size(file, code);
    EOSIN_CHECK(!code, Io, "[{}] the manifest lists it, but it cannot be read: {}", file.string(), code.message());
    EOSIN_CHECK(bytes == entry.bytes, Data, "[{}] has {} bytes, the manifest says {}", file.string(), bytes, entry.bytes);
    add(file.string(), std::move(entry));
  }
  EOSIN_CHECK(!slots.empty(), Data, "[{}] lists no shard", manifest.string());
}

void TileStore::Impl::list(const std::string& store_path) {
  const fs::path p(store_path);
  EOSIN_CHECK(fs::exists(p), Io, "[{}] does not exist", store_path);
  if (fs::is_directory(p) && fs::exists(p / kManifestName)) return list_manifest(p / kManifestName);
  if (p.extension() == ".json") return list_manifest(p);
  if (!fs::is_directory(p)) return add(store_path, std::nullopt);
  for (auto& shard_path : shards_in(p)) add(shard_path, std::nullopt);
}

const Shard& TileStore::Impl::shard(size_t k) const {
  Slot& slot = *slots[k];
  std::call_once(slot.once, [&] {
    auto opened = std::make_unique<Shard>(slot.path);
    if (slot.expected) check_against_manifest(*opened, *slot.expected);
    if (k > 0) {
      const TileFormat &a = shard(0).header(), &b = opened->header();
      EOSIN_CHECK(a.codec == b.codec && a.tile_height == b.tile_height && a.tile_width == b.tile_width, Data,
                  "[{}] holds {} tiles of {} x {} pixels, but {} holds {} of {} x {}; one store has one tile format", slot.path, name(b.codec),
                  b.tile_width, b.tile_height, slots[0]->path, name(a.codec), a.tile_width, a.tile_height);
    }
    slot.shard = std::move(opened);
  });
  return *slot.shard;
}

size_t TileStore::Impl::slot_of(uint64_t index) const {
  EOSIN_ASSERT(index < slots.back()->first + slots.back()->n_tiles);
  const auto after = std::upper_bound(slots.begin(), slots.end(), index, [](uint64_t i, const auto& slot) { return i < slot->first; });
  return static_cast<size_t>(after - slots.begin()) - 1;
}

const Slides& TileStore::Impl::joined() const {
  std::call_once(slides_once, [this] { slides = join(); });
  return slides;
}

Slides TileStore::Impl::join() const {
  Slides all;
  std::unordered_map<std::string, uint32_t> row_of;
  std::set<std::string> uuids;
  std::vector<bool> apart;  // the slide's tiles do not lie together
  for (size_t k = 0; k < slots.size(); ++k) {
    const Shard& s = shard(k);
    EOSIN_CHECK(uuids.insert(uuid_text(s.header().uuid)).second, Data, "[{}] the same shard (uuid {}) is in the store twice", s.path(),
                uuid_text(s.header().uuid));
    auto& map = all.local_to_global.emplace_back();
    for (const SlideRow& row : s.slides()) {
      const auto [at, is_new] = row_of.emplace(row.id, static_cast<uint32_t>(all.rows.size()));
      map.push_back(at->second);
      if (is_new) {
        all.rows.push_back(row);
        all.rows.back().first = all.rows.back().count = 0;
        apart.push_back(false);
      }
      SlideRow& joined_row = all.rows[at->second];
      EOSIN_CHECK(joined_row.sha256 == row.sha256, Data, "[{}] slide '{}' has sha256 '{}', another shard says '{}'; two slides have one id", s.path(),
                  row.id, row.sha256, joined_row.sha256);
      if (row.count == 0) continue;
      const uint64_t first = slots[k]->first + row.first;
      if (!s.header().ordered_by_slide || (joined_row.count > 0 && joined_row.first + joined_row.count != first)) apart[at->second] = true;
      if (joined_row.count == 0) joined_row.first = first;
      joined_row.count += row.count;
    }
  }
  for (size_t i = 0; i < all.rows.size(); ++i)
    if (apart[i]) all.rows[i].first = 0;
  return all;
}

TileStore::TileStore(const std::string& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  impl_->list(path);
}
TileStore::~TileStore() = default;
TileStore::TileStore(TileStore&&) noexcept = default;

uint64_t TileStore::n_tiles() const { return impl_->slots.back()->first + impl_->slots.back()->n_tiles; }
const TileFormat& TileStore::format() const { return impl_->shard(0).header(); }
const std::vector<SlideRow>& TileStore::slides() const { return impl_->joined().rows; }
size_t TileStore::n_shards() const { return impl_->slots.size(); }
const Shard& TileStore::shard(size_t k) const { return impl_->shard(k); }
uint64_t TileStore::shard_first(size_t k) const { return impl_->slots[k]->first; }

TileRow TileStore::tile(uint64_t index) const {
  const size_t k = impl_->slot_of(index);
  TileRow row = impl_->shard(k).tile(index - impl_->slots[k]->first);
  row.slide = impl_->joined().local_to_global[k][row.slide];
  return row;
}

std::span<const uint8_t> TileStore::read(uint64_t index, std::vector<uint8_t>& buffer) const {
  const size_t k = impl_->slot_of(index);
  return impl_->shard(k).read(index - impl_->slots[k]->first, buffer);
}

void TileStore::read_image(uint64_t index, std::vector<uint8_t>& buffer, Image& out) const {
  const size_t k = impl_->slot_of(index);
  impl_->shard(k).read_image(index - impl_->slots[k]->first, buffer, out);
}

std::string TileStore::describe(uint64_t index) const {
  const size_t k = impl_->slot_of(index);
  return impl_->shard(k).describe(index - impl_->slots[k]->first);
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
  std::vector<ShardEntry> entries;
  for (size_t k = 0; k < n_shards(); ++k) {
    const Slot& slot = *impl_->slots[k];
    entries.push_back(slot.expected ? *slot.expected : entry_of(impl_->shard(k), ""));
  }
  return digest_of(entries);
}

}  // namespace eosin::data
