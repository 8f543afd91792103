#pragma once
// What `eosin tile` can be told.
#include "core/base/config.h"
#include "data/stain.h"
#include "data/tile_filter.h"
#include "data/tile_grids.h"
#include "data/tissue.h"

#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

struct TileGridConfig {
  int64_t size_px = 256;
  double mpp = 0.5;
  int64_t overlap_px = 0;
  double min_tissue = 0.25;
  bool partial = false;
  bool allow_upsample = false;
  void visit(config::Visitor& v) {
    v("size_px", size_px, "edge of a tile", config::Range{1, 1024});
    v("mpp", mpp, "micrometres a pixel of the tiles", config::Range{0.02, 50});
    v("overlap_px", overlap_px, "overlap of neighbours, pixels of the tile", config::Range{0, 1023});
    v("min_tissue", min_tissue, "smallest share of a tile that is tissue (grid global)", config::Range{0, 1});
    v("partial", partial, "tiles that hang over the right and lower edge too, filled with white (grid global)");
    v("allow_upsample", allow_upsample, "accept slides that are coarser than mpp by more than 5 %");
  }
  void validate(config::Problems& p) const;
};

struct EncodingConfig {
  std::string codec = "jpeg";
  int64_t quality = 90;
  std::string subsampling = "420";
  bool copy = true;
  int64_t shard_mib = 8192;
  void visit(config::Visitor& v) {
    v("codec", codec, "how tiles are stored", config::OneOf{{"jpeg", "raw"}});
    v("copy", copy, "copy the slide's own JPEG tiles, without loss, where all tiles of the grid are such at tile.mpp (within 1 %)");
    v("quality", quality, "of JPEG", config::Range{1, 100});
    v("subsampling", subsampling, "of JPEG's colour", config::OneOf{{"420", "422", "444"}});
    v("shard_mib", shard_mib, "a shard is closed by the slide that reaches this size", config::Range{64, 65536});
  }
};

struct TileRunConfig {
  std::string dir;
  int64_t threads = 0;
  void visit(config::Visitor& v) {
    v("dir", dir, "folder of config.yaml, slides.jsonl, failures.jsonl and qc/; empty: the store's");
    v("threads", threads, "CPU threads; 0 = all cores that this process may use", config::Range{0, 4096});
  }
};

struct TileConfig {
  std::vector<std::string> slides;
  std::string store = "tiles";
  std::string output = "store";
  TileGridConfig tile;
  config::Choice grid{tile_grid_rows(), "global"};
  TissueConfig tissue;
  TileFilterConfig filter;
  StainConfig stain;
  EncodingConfig encoding;
  std::optional<double> assume_mpp;
  double max_failed_fraction = 0.1;
  bool sha256 = false;
  bool keep_scanner = true;
  TileRunConfig run;
  /// False: only coordinates are written.
  bool keeps_pixels() const { return output == "store"; }
  /// Where slides.jsonl, failures.jsonl, qc/ and the run's own records go.
  const std::string& records_folder() const { return run.dir.empty() ? store : run.dir; }
  void visit(config::Visitor& v) {
    v("slides", slides,
      "slides: path, glob, folder, list of these, .txt with a path a line, or cohort CSV (path; slide, patient, centre, stain, mpp)");
    v("store", store, "folder of the tile store (shards and store.json), or of the coordinates");
    v("output", output, "store: tiles with their pixels; trident, clam: coordinates alone, in that program's layout",
      config::OneOf{{"store", "trident", "clam"}});
    v("tile", tile, "size of the tiles");
    v("grid", grid, "where they lie");
    v("tissue", tissue, "where the tissue is");
    v("filter", filter, "tests of a tile's own pixels");
    v("stain", stain, "bringing the colours of the tiles to a reference's");
    v("encoding", encoding, "how tiles are stored");
    v("assume_mpp", assume_mpp, "micrometres a pixel of slides that do not say", config::Range{0.02, 50});
    v("max_failed_fraction", max_failed_fraction, "more failed slides than this share end the run with exit code 3", config::Range{0, 1});
    v("sha256", sha256, "store the checksum of every slide's file (reads the whole file)");
    v("keep_scanner", keep_scanner, "store the scanner's name");
    v("run", run, "threads, and where the records go");
  }
};

/// What a grid needs of the config, for a slide whose level 0 has `mpp`.
inline GridSpec grid_spec(const TileGridConfig& tile, double mpp) {
  return {mpp, tile.mpp, tile.size_px, tile.overlap_px, tile.min_tissue, tile.partial};
}

/// Identity of the tiles that a config makes: a store begun with another is refused. Keys that decide where, how fast and how strictly are left
/// out; of a stain reference its values count, not its path. `stain` is null where the tiles keep their colours.
std::string tiling_identity(const TileConfig& config, const StainReference* stain);

}  // namespace eosin::data
