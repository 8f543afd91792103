#include "data/tile_store_writer.h"

#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "core/base/file_lock.h"
#include "data/shard_writer.h"
#include "data/store_manifest.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

enum class SlideStatus { kOpen, kFinished, kInShard, kSkipped };

struct SlideEntry {
  SlideStatus status = SlideStatus::kOpen;
  SlideRow row;        // of a slide that is finished or in a shard
  uint64_t bytes = 0;  // of payload, of a finished slide
};

/// The slide's id as a file name: what a file system may not like becomes '_', and a checksum tells equal ones apart.
std::string part_name(const std::string& id) {
  std::string name = id.substr(0, 100);
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') c = '_';
  const uint32_t crc = crc32c(id);
  return fmt::format("{}-{:08x}.part", name, crc);
}

void check_undamaged(bool whole, const std::string& path) {
  EOSIN_CHECK(whole, Data, "[{}] was damaged after it was finished; remove it and run the same command again", path);
}

/// The index of a shard made of finished parts, and where their payloads lie.
struct ShardOfParts {
  ShardIndex index;
  std::vector<std::pair<std::string, PartContent>> parts;

  void add(const std::string& path) {
    PartContent part = scan_part(path, false);  // the payloads are checked while they are copied
    check_undamaged(part.finished, path);
    const auto slide = static_cast<uint32_t>(index.slides.size());
    index.slides.push_back(part.row);
    if (!part.tiles.empty()) add_columns(part, path);
    for (TileRow& tile : part.tiles) tile.slide = slide;
    index.tiles.insert(index.tiles.end(), part.tiles.begin(), part.tiles.end());
    index.sizes.insert(index.sizes.end(), part.sizes.begin(), part.sizes.end());
    parts.emplace_back(path, std::move(part));
  }

  /// Says so where tiles are streams of the slides, which have tables of their own.
  void describe_copies() {
    size_t with_tiles = 0, copied = 0;
    for (const SlideRow& row : index.slides) with_tiles += row.count > 0, copied += row.count > 0 && row.copied;
    if (copied == 0) return;
    index.format.lossless_tile_copy = copied == with_tiles;
    index.format.jpeg_quality = 0;
    index.format.jpeg_subsampling = "mixed";
  }

  void copy_payload(PayloadSink& sink) const {
    for (const auto& [path, part] : parts) {
      const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0) fail_errno(fmt::format("[{}] cannot open", path), errno);
      const std::unique_ptr<const int, void (*)(const int*)> closer(&fd, [](const int* d) { ::close(*d); });
      for (size_t i = 0; i < part.tiles.size(); ++i)
        check_undamaged(sink.copy(fd, part.offsets[i], part.sizes[i], path) == part.tiles[i].crc32c, path);
    }
  }

 private:
  void add_columns(PartContent& part, const std::string& path) {
    if (index.tiles.empty()) {
      index.columns = std::move(part.columns);
      return;
    }
    const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
    EOSIN_CHECK(std::equal(index.columns.begin(), index.columns.end(), part.columns.begin(), part.columns.end(), same_name), Data,
                "[{}] slide '{}' has other columns than the slides before it", path, part.slide_id);
    for (auto& [name, texts] : index.columns) {
      auto& more = part.columns.at(name);
      texts.insert(texts.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    }
  }
};

}  // namespace

struct TileStoreWriter::Impl {
  std::string folder;
  StoreSettings settings;
  std::vector<std::string> order;
  std::optional<FileLock> folder_lock;
  mutable std::mutex mutex;  // of everything below
  std::unordered_map<std::string, SlideEntry> slides;
  std::vector<ShardEntry> shards;
  size_t next = 0;                   // first slide of `order` that is in no shard yet
  std::vector<std::string> pending;  // finished slides of the next shard
  uint64_t pending_bytes = 0;
  bool advancing = false;  // a thread is in advance(), which alone changes next, pending and shards

  std::string part_path(const std::string& id) const { return (fs::path(folder) / part_name(id)).string(); }
  std::string fresh_shard_path() const;
  void find_shards();
  void find_parts();
  void advance(std::unique_lock<std::mutex>& lock);
  void write_pending(std::unique_lock<std::mutex>& lock);
};

/// The next in number; a later one where shards before it were taken away.
std::string TileStoreWriter::Impl::fresh_shard_path() const {
  for (size_t number = shards.size();; ++number)
    if (const fs::path path = fs::path(folder) / fmt::format("shard-{:05}.h5", number); !fs::exists(path)) return path.string();
}

/// Reads what earlier runs finished; removes what they left half-written.
void TileStoreWriter::Impl::find_shards() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".tmp") fs::remove(entry.path());
    if (entry.path().extension() == ".h5") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  for (const auto& path : found) {
    const Shard shard(path.string());
    EOSIN_CHECK(shard.header().identity == settings.identity, Config,
                "[{}] was written with other settings; give the store another folder, or remove this one", path.string());
    for (const SlideRow& row : shard.slides()) slides[row.id] = {SlideStatus::kInShard, row, 0};
    shards.push_back(entry_of(shard, folder));
  }
}

void TileStoreWriter::Impl::find_parts() {
  for (const std::string& id : order) {
    const std::string path = part_path(id);
    if (!fs::exists(path)) continue;
    SlideEntry& slide = slides[id];
    if (slide.status == SlideStatus::kInShard) {
      fs::remove(path);
      continue;
    }
    PartContent part = scan_part(path, true);  // one that was damaged since is cut and goes on
    if (!part.finished || part.slide_id != id) continue;
    EOSIN_CHECK(part.identity == settings.identity, Config,
                "[{}] was written with other settings; finish it with them, give the store another folder, or remove this one", path);
    slide.status = SlideStatus::kFinished;
    slide.row = part.row;
    for (uint64_t size : part.sizes) slide.bytes += size;
  }
}

/// Takes the slides that are decided, in order, and writes every shard that they fill. One thread does; what others decide meanwhile it sees
/// when it comes back from a shard.
void TileStoreWriter::Impl::advance(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(advancing, true)) return;
  while (next < order.size()) {
    const std::string& id = order[next];
    const SlideEntry& slide = slides[id];
    if (slide.status == SlideStatus::kOpen) break;
    ++next;
    if (slide.status != SlideStatus::kFinished) continue;
    pending.push_back(id);
    pending_bytes += slide.bytes;
    if (pending_bytes >= settings.max_shard_bytes) write_pending(lock);
  }
  advancing = false;
}

/// Copying gigabytes must not keep other slides from beginning and finishing: the lock is let go.
void TileStoreWriter::Impl::write_pending(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  ShardOfParts shard;
  shard.index.format = settings;
  shard.index.identity = settings.identity;
  for (const auto& id : pending) shard.add(part_path(id));
  shard.describe_copies();
  const std::string path = fresh_shard_path();
  write_shard(path, std::move(shard.index), [&](PayloadSink& sink) { shard.copy_payload(sink); });
  ShardEntry entry = entry_of(Shard(path), folder);
  lock.lock();
  shards.push_back(std::move(entry));
  for (const auto& id : pending) {
    slides[id].status = SlideStatus::kInShard;
    fs::remove(part_path(id));
  }
  pending.clear();
  pending_bytes = 0;
}

TileStoreWriter::TileStoreWriter(std::string folder, StoreSettings settings, std::vector<std::string> slide_ids) : impl_(std::make_unique<Impl>()) {
  Impl& w = *impl_;
  w.folder = std::move(folder);
  w.settings = std::move(settings);
  w.order = std::move(slide_ids);
  std::error_code code;
  fs::create_directories(w.folder, code);
  EOSIN_CHECK(!code, Io, "[{}] cannot make the folder: {}", w.folder, code.message());
  w.folder_lock.emplace((fs::path(w.folder) / "store.lock").string(), w.folder);
  w.find_shards();
  std::vector<std::string> sorted = w.order;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  EOSIN_CHECK(twice == sorted.end(), Data, "[tile store] two slides have the id '{}'", *twice);
  w.find_parts();
}

TileStoreWriter::~TileStoreWriter() = default;

bool TileStoreWriter::is_complete(const std::string& slide_id) const {
  const std::lock_guard lock(impl_->mutex);
  const auto at = impl_->slides.find(slide_id);
  return at != impl_->slides.end() && (at->second.status == SlideStatus::kFinished || at->second.status == SlideStatus::kInShard);
}

SlideRow TileStoreWriter::complete_slide(const std::string& slide_id) const {
  EOSIN_ASSERT(is_complete(slide_id));
  const std::lock_guard lock(impl_->mutex);
  return impl_->slides.at(slide_id).row;
}

SlidePart TileStoreWriter::begin(const std::string& slide_id) {
  EOSIN_ASSERT(!is_complete(slide_id));
  return {impl_->part_path(slide_id), slide_id, impl_->settings.identity};
}

void TileStoreWriter::finish(SlidePart part, const SlideRow& row, const TextColumns& columns) {
  part.finish(row, columns);
  std::unique_lock lock(impl_->mutex);
  SlideEntry& slide = impl_->slides[part.slide_id()];
  slide = {SlideStatus::kFinished, row, part.bytes()};
  slide.row.count = part.n_tiles();
  impl_->advance(lock);
}

void TileStoreWriter::skip(const std::string& slide_id) {
  std::unique_lock lock(impl_->mutex);
  fs::remove(impl_->part_path(slide_id));
  impl_->slides[slide_id].status = SlideStatus::kSkipped;
  impl_->advance(lock);
}

std::vector<std::string> TileStoreWriter::close() {
  Impl& w = *impl_;
  std::unique_lock lock(w.mutex);
  w.advance(lock);
  EOSIN_ASSERT(w.next == w.order.size());
  if (!w.pending.empty() || w.shards.empty()) w.write_pending(lock);
  write_manifest(w.folder, w.settings, w.shards);
  w.folder_lock.reset();
  std::vector<std::string> paths;
  for (const auto& shard : w.shards) paths.push_back((fs::path(w.folder) / shard.path).string());
  return paths;
}

}  // namespace eosin::data
