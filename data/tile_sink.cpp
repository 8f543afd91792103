#include "data/tile_sink.h"

#include "core/base/error.h"
#include "data/coords_sink.h"
#include "data/tile_store_writer.h"

namespace eosin::data {
namespace {

StoreSettings store_settings(const TileConfig& config, const TilingJob& job) {
  StoreSettings s;
  const bool jpeg = config.encoding.codec == "jpeg";
  s.codec = jpeg ? Codec::kJpeg : Codec::kRaw;
  s.tile_height = s.tile_width = static_cast<uint32_t>(config.tile.size_px);
  s.overlap = static_cast<uint32_t>(config.tile.overlap_px);
  s.jpeg_quality = jpeg ? static_cast<uint32_t>(config.encoding.quality) : 0;
  s.jpeg_subsampling = jpeg ? config.encoding.subsampling : "444";
  s.target_mpp = config.tile.mpp;
  s.max_shard_bytes = static_cast<uint64_t>(config.encoding.shard_mib) << 20;
  if (job.stain) s.stain = job.stain->description();
  s.identity = job.identity;
  return s;
}

std::vector<std::string> ids_of(const std::vector<SlideEntry>& slides) {
  std::vector<std::string> ids;
  for (const auto& s : slides) ids.push_back(s.id);
  return ids;
}

class StoreSink final : public TileSink {
 public:
  StoreSink(const TileConfig& config, const TilingJob& job) : writer_(config.store, store_settings(config, job), ids_of(job.slides)) {}
  bool is_complete(const std::string& id) const override { return writer_.is_complete(id); }
  SlideRow complete_slide(const std::string& id) const override { return writer_.complete_slide(id); }
  SlidePart begin(const std::string& id) override { return writer_.begin(id); }
  void finish(SlidePart part, const SlideRow& row, const SlidePlan&) override { writer_.finish(std::move(part), row); }
  void skip(const std::string& id) override { writer_.skip(id); }
  std::vector<std::string> close() override { return writer_.close(); }

 private:
  TileStoreWriter writer_;
};

}  // namespace

std::unique_ptr<TileSink> make_tile_sink(const TileConfig& config, const TilingJob& job) {
  if (config.keeps_pixels()) return std::make_unique<StoreSink>(config, job);
  return std::make_unique<CoordsSink>(config, job);
}

}  // namespace eosin::data
