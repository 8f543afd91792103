#include "data/stain_fit.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "data/picture.h"
#include "data/stain_sample.h"
#include "data/tile_store.h"

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

constexpr std::array kSpaces = {ColorSpace::kLab, ColorSpace::kHsv, ColorSpace::kHed};

/// The pixels to fit, and the colours of each picture that they come from.
struct Sample {
  Image pixels;
  int64_t tiles = 0, unread = 0;
  std::array<std::vector<ColorStatistics>, kSpaces.size()> statistics;

  void describe(const Image& tile) {
    for (size_t s = 0; s < kSpaces.size(); ++s) statistics[s].push_back(color_statistics(tile, kSpaces[s]));
    ++tiles;
  }
};

Sample sample_picture(const std::string& path) {
  const std::string bytes = read_file(path);
  Sample sample;
  sample.pixels = decode_picture({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, path);
  sample.describe(sample.pixels);
  return sample;
}

Sample sample_store(const std::string& path, const StainFitConfig& config, const std::function<void(int64_t, int64_t)>& progress) {
  const TileStore store(path);
  const auto chosen = spread_indices(static_cast<int64_t>(store.n_tiles()), config.tiles);
  PixelPool pool(static_cast<int64_t>(chosen.size()), config.pixels);
  Sample sample;
  std::vector<uint8_t> buffer;
  Image tile;
  for (const int64_t i : chosen) {
    try {
      store.read_image(static_cast<uint64_t>(i), buffer, tile);
      pool.add(tile);
      sample.describe(tile);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Io) throw;
      log::warn("[stain-fit] left out: {}", e.what());
      ++sample.unread;
    }
    if (progress) progress(sample.tiles + sample.unread, static_cast<int64_t>(chosen.size()));
  }
  EOSIN_CHECK(sample.tiles > 0, Data, "[stain-fit] no tile of {} could be read ({} tried)", path, chosen.size());
  sample.pixels = pool.pixels();
  return sample;
}

bool is_picture(const std::string& path) { return fs::is_regular_file(path) && fs::path(path).extension() != ".h5"; }

}  // namespace

void StainFitConfig::visit(config::Visitor& v) {
  v("out", out, "YAML file of the reference");
  v("name", name, "of the reference; empty: the file's");
  v("tiles", tiles, "tiles of a store to look at", config::Range{1, 1e7});
  v("pixels", pixels, "tissue pixels of them, all together", config::Range{16, 1e8});
  v("macenko", macenko, "how Macenko's stains are found");
  v("reinhard", reinhard, "how Reinhard's statistics are used");
  v("vahadane", vahadane, "how Vahadane's stains are found");
}

void StainFitConfig::validate(config::Problems& p) const {
  if (out.empty()) p.add("out", "need the reference's file");
}

StainFit fit_stains(const std::string& path, const StainFitConfig& config, const std::function<void(int64_t, int64_t)>& progress) {
  const Sample sample = is_picture(path) ? sample_picture(path) : sample_store(path, config, progress);
  StainFit fit;
  fit.tiles = sample.tiles, fit.tiles_unread = sample.unread;
  fit.profile.name = config.name.empty() ? fs::path(config.out).stem().string() : config.name;
  fit.profile.source = path;
  fit.profile.macenko.rule = config.macenko, fit.profile.reinhard.rule = config.reinhard, fit.profile.vahadane.rule = config.vahadane;
  fit.faults = fit_all(sample.pixels, fit.profile);
  EOSIN_CHECK(fit.faults.size() < stain_methods().size(), Data, "[stain-fit] {}: no method can be fitted to {} ({} pixels)",
              data::name(fit.faults.front().second), path, fit.profile.pixels);
  for (const auto& of_space : sample.statistics) fit.cohorts.push_back(cohort_of(of_space));
  return fit;
}

}  // namespace eosin::data
