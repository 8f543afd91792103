#include "eval/features.h"

#include "core/base/error.h"
#include "core/base/stop.h"
#include "core/tensor/device.h"
#include "data/feature_layout.h"

#include <ATen/ATen.h>

#include <filesystem>

namespace eosin::eval {
namespace {

namespace fs = std::filesystem;

/// Whether the file is there and right. Files that are damaged, short, or made of other pixels are made again.
bool done_before(const data::FeatureFile& job, const Extractor& extractor, const data::TileStore& store) {
  if (!fs::exists(job.path)) return false;
  data::SlideFeatures old;
  try {
    old = data::read_features(job.path);
  } catch (const Error&) {
    return false;
  }
  EOSIN_CHECK(old.meta.weights_sha256 == extractor.weights_sha256 && old.meta.transform == extractor.transform, Config,
              "[embed] {} holds features of another encoder or transform (got '{}', {}; need '{}', {}); choose another folder for out", job.path,
              old.meta.encoder, old.meta.transform, extractor.name, extractor.transform);
  return old.meta.tiles_crc32c == data::tiles_checksum(store, job.indices) && old.ids == job.ids &&
         old.coords_N2.equal(data::tile_coords(store, job.indices));
}

void write(const data::FeatureFile& job, const TileFeatures& made, const Extractor& extractor, const data::TileStore& store,
           const ExtractionOptions& options) {
  data::SlideFeatures file;
  file.meta = job.meta;
  file.meta.savetodir = fs::path(job.path).parent_path().string();
  file.meta.encoder = extractor.name;
  file.meta.weights_sha256 = extractor.weights_sha256;
  file.meta.transform = extractor.transform;
  file.meta.tiles_crc32c = data::tiles_checksum(store, job.indices);
  file.features_ND = made.features_ND.to(options.dtype == "float16" ? at::kHalf : at::kFloat);
  file.coords_N2 = data::tile_coords(store, made.indices);
  if (!job.ids.empty())
    for (int64_t index : made.indices) file.ids.push_back(job.ids[index]);
  data::write_features(job.path, file);
}

}  // namespace

TileFeatures embed_tiles(std::shared_ptr<const data::TileStore> store, std::vector<int64_t> indices, const Extractor& extractor,
                         const ExtractionOptions& options, const std::function<void(int64_t)>& done) {
  data::TileReader reader(store, extractor.view, std::move(indices), options.batch_size, options.threads, options.max_bad_fraction, options.stain);
  const device::Autocast autocast(options.device, options.compute);
  TileFeatures r;
  std::vector<Tensor> parts;
  while (auto batch = reader.next()) {
    const Tensor features_BD = extractor.embed(batch->images_BCHW.to(options.device)).to(at::kCPU);
    if (!features_BD.isfinite().all().item<bool>()) {
      const int64_t row = features_BD.isfinite().all(1).logical_not().nonzero()[0].item<int64_t>();
      fail(ErrorKind::Numeric, "[embed] the feature of {} is not finite; are the weights damaged?",
           store->describe(static_cast<uint64_t>(batch->indices[row])));
    }
    parts.push_back(features_BD);
    r.indices.insert(r.indices.end(), batch->indices.begin(), batch->indices.end());
    if (done) done(features_BD.size(0));
    if (stop::requested()) {
      r.stopped = true;
      break;
    }
  }
  r.features_ND = parts.empty() ? at::empty({0, extractor.dim}) : at::cat(parts);
  r.unread = reader.unread();
  return r;
}

ExtractionResult extract_features(std::shared_ptr<const data::TileStore> store, const Extractor& extractor, const std::string& out,
                                  const ExtractionOptions& options, const std::function<void(int64_t)>& done,
                                  const std::function<void(const Failure&)>& failed) {
  std::error_code code;
  fs::create_directories(out, code);
  if (code) fail_errno(fmt::format("[embed] cannot create {}", out), code.value());
  ExtractionResult r;
  for (const data::FeatureFile& job : data::feature_files(*store, out)) {
    ++r.slides;
    if (done_before(job, extractor, *store)) {
      ++r.slides_skipped;
      done(static_cast<int64_t>(job.indices.size()));
      continue;
    }
    try {
      const TileFeatures made = embed_tiles(store, job.indices, extractor, options, done);
      if (made.stopped) {
        r.stopped = true;
        return r;
      }
      for (const data::UnreadTile& tile : made.unread) failed({store->describe(static_cast<uint64_t>(tile.index)), "read", tile.reason});
      write(job, made, extractor, *store, options);
      r.tiles += made.features_ND.size(0);
      r.tiles_unread += static_cast<int64_t>(made.unread.size());
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::Data && e.kind() != ErrorKind::Numeric) throw;
      ++r.slides_failed;
      failed({job.name, "embed", e.what()});
    }
  }
  return r;
}

}  // namespace eosin::eval
