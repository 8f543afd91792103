#include "data/feature_layout.h"

#include "core/base/crc32c.h"
#include "core/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace eosin::data {
namespace {

std::string file_name(std::string id) {
  std::replace_if(
      id.begin(), id.end(), [](char c) { return c == '/' || c == '\\' || c == '\0'; }, '_');
  return id + ".h5";
}

}  // namespace

std::vector<FeatureFile> feature_files(const TileStore& store, const std::string& folder) {
  const auto n = static_cast<int64_t>(store.n_tiles());
  std::vector<FeatureFile> files;
  if (store.has_column("id")) {
    files.push_back({folder + "/features.h5", "features", std::vector<int64_t>(static_cast<size_t>(n)), store.column("id"), {}});
    std::iota(files[0].indices.begin(), files[0].indices.end(), 0);
    files[0].meta.name = "features";
    files[0].meta.patch_size = store.format().tile_width;
    files[0].meta.mpp = store.format().target_mpp;
    return files;
  }
  std::vector<std::vector<int64_t>> of_slide(store.slides().size());
  for (int64_t i = 0; i < n; ++i) of_slide[store.tile(static_cast<uint64_t>(i)).slide].push_back(i);
  std::map<std::string, std::string> taken;
  for (size_t s = 0; s < of_slide.size(); ++s) {
    if (of_slide[s].empty()) continue;
    const std::string& id = store.slides()[s].id;
    const auto [it, fresh] = taken.emplace(file_name(id), id);
    EOSIN_CHECK(fresh, Config, "[embed] slides '{}' and '{}' would share the file {}; rename one", it->second, id, it->first);
    files.push_back({folder + "/" + file_name(id), id, std::move(of_slide[s]), {}, feature_meta(store, s)});
  }
  return files;
}

Tensor tile_coords(const TileStore& store, const std::vector<int64_t>& indices) {
  const Tensor coords_N2 = at::empty({static_cast<int64_t>(indices.size()), 2}, at::kLong);
  int64_t* xy = coords_N2.mutable_data_ptr<int64_t>();
  for (int64_t index : indices) {
    const TileRow row = store.tile(static_cast<uint64_t>(index));
    *xy++ = row.x;
    *xy++ = row.y;
  }
  return coords_N2;
}

std::string tiles_checksum(const TileStore& store, const std::vector<int64_t>& indices) {
  std::vector<uint32_t> sums;
  for (int64_t index : indices) sums.push_back(store.tile(static_cast<uint64_t>(index)).crc32c);
  return fmt::format("{:08x}", crc32c({reinterpret_cast<const uint8_t*>(sums.data()), sums.size() * sizeof(uint32_t)}));
}

}  // namespace eosin::data
