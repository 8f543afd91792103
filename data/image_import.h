#pragma once
// Pictures that somebody else cut (image folders with a table, MNIST-like IDX files) into a tile store.
#include "core/base/config.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace eosin::data {

/// Names of the table's columns; empty: the first of the usual names that the table has.
struct ImportColumns {
  std::string file, label, group, patient, slide, split, x, y, mpp;
  void visit(config::Visitor& v) {
    v("file", file, "path of the picture, relative to `images`; empty: file, path, image, filename or id");
    v("label", label, "class of the picture; empty: label or class");
    v("group", group, "pictures of one group must not be split; empty: group");
    v("patient", patient, "empty: patient or case");
    v("slide", slide, "slide id; empty: slide; without such a column: the group, else the patient, else the picture's folder");
    v("split", split, "train, val, test...; empty: split");
    v("x", x, "level-0 pixels of the top-left corner; empty: x; without x and y the tiles of a slide are put side by side");
    v("y", y, "empty: y");
    v("mpp", mpp, "micrometres a pixel; empty: mpp");
  }
};

struct ImportEncoding {
  std::string codec = "auto";
  int64_t quality = 90;
  std::string subsampling = "420";
  void visit(config::Visitor& v) {
    v("codec", codec, "auto: jpeg for pictures, raw for IDX", config::OneOf{{"auto", "jpeg", "raw"}});
    v("quality", quality, "of pictures that cannot be copied as they are", config::Range{1, 100});
    v("subsampling", subsampling, "of the same", config::OneOf{{"420", "422", "444"}});
  }
};

struct ImportConfig {
  std::string out;
  std::string images;
  std::string labels;
  ImportColumns columns;
  ImportEncoding encoding;
  int64_t tile_size_px = 0;
  bool resize = false;
  double mpp = 0;
  int64_t shard_mib = 8192;
  void visit(config::Visitor& v) {
    v("out", out, "folder of the new store");
    v("images", images, "folder that the table's paths are relative to; empty: the table's own");
    v("labels", labels, "IDX file with one label a picture, when the pictures are an IDX file");
    v("columns", columns, "names of the table's columns");
    v("encoding", encoding, "how pictures are stored; baseline JPEGs of the right size are copied unchanged");
    v("tile_size_px", tile_size_px, "0: the first picture's size", config::Range{0, 1024});
    v("resize", resize, "resize pictures of another size (bicubic, antialiased) instead of refusing them");
    v("mpp", mpp, "micrometres a pixel where the table has none; 0: unknown", config::Range{0, 50});
    v("shard_mib", shard_mib, "a shard is closed by the slide that reaches it", config::Range{64, 65536});
  }
  void validate(config::Problems& p) const;
};

struct ImportResult {
  int64_t tiles = 0, slides = 0;
  int64_t copied = 0, encoded = 0, resized = 0;  // pictures copied unchanged, encoded anew (or stored raw), resized before that
  std::vector<std::string> shards;
};

/// Imports `path`: a CSV table, a folder (every JPEG and PNG below it, its folder being its class), or an IDX file.
///
/// The store gets the text columns id (the path as the table gives it, or the IDX index), class, group, patient, split: those that are there.
/// `progress` is called with the pictures done and their number.
/// Errors   Config: no `out`; Io; Data naming table and line or file: no such column, a picture twice, two pictures at one place, neither
///          JPEG nor PNG, a PNG of 16 bits, damaged, another size than the store's (without `resize`), two patients in one slide, not a number.
/// Checked  tests/data/test_image_import.cpp.
ImportResult import_images(const std::string& path, const ImportConfig& config, const std::function<void(int64_t, int64_t)>& progress = nullptr);

}  // namespace eosin::data
