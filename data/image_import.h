#pragma once
// Pictures that somebody else cut (folders, tables, WebDataset tars, HDF5, IDX files), or the coordinates of tiles, into a tile store.
#include "core/base/config.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace eosin::data {

/// Names of the table's columns; empty: the first of the usual names that the table has.
struct ImportColumns {
  std::string file, label, group, patient, slide, split, x, y, mpp;
  void visit(config::Visitor& v) {
    v("file", file, "path of the picture, relative to `images`; empty: file, path, image, filename or id; of HDF5: the data set of JPEG streams");
    v("label", label, "class of the picture; empty: label or class");
    v("group", group, "pictures of one group must not be split; empty: group");
    v("patient", patient, "empty: patient, patient_id, case or case_id");
    v("slide", slide, "slide id; empty: slide or slide_id; without such a column: the group, else the patient, else the picture's folder");
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

struct ImportRunConfig {
  int64_t threads = 0;
  void visit(config::Visitor& v) {
    v("threads", threads, "CPU threads that cut tiles from slides (format coords); 0 = all cores that this process may use", config::Range{0, 4096});
  }
};

/// Names of what can be imported, as import_formats() has them, after "auto".
std::vector<std::string> import_format_names();

struct ImportConfig {
  std::string out;
  std::string format = "auto";
  std::vector<std::string> slides;
  std::string images;
  std::string labels;
  ImportColumns columns;
  ImportEncoding encoding;
  int64_t tile_size_px = 0;
  bool resize = false;
  double mpp = 0;
  double max_bad_fraction = 0.01, max_failed_fraction = 0.1;
  int64_t shard_mib = 8192;
  ImportRunConfig run;
  void visit(config::Visitor& v) {
    v("out", out, "folder of the new store");
    v("format", format, "what is imported; auto: by what PATH is and holds", config::OneOf{import_format_names()});
    v("slides", slides, "of coordinates: the slides, as `eosin tile` takes them; a slide's id names its file of coordinates");
    v("images", images, "folder that the table's paths are relative to; empty: the table's own");
    v("labels", labels, "IDX file with one label a picture, when the pictures are an IDX file");
    v("columns", columns, "names of the table's columns");
    v("encoding", encoding, "how pictures are stored; baseline JPEGs of the right size are copied unchanged");
    v("tile_size_px", tile_size_px, "0: the first picture's size", config::Range{0, 1024});
    v("resize", resize, "resize pictures of another size (bicubic, antialiased) instead of refusing them");
    v("mpp", mpp, "micrometres a pixel where the table has none; 0: unknown", config::Range{0, 50});
    v("max_bad_fraction", max_bad_fraction, "more bad pictures than this share end the import with exit code 3", config::Range{0, 1});
    v("max_failed_fraction", max_failed_fraction, "of coordinates: more failed slides than this share end the import with exit code 3",
      config::Range{0, 1});
    v("shard_mib", shard_mib, "a shard is closed by the slide that reaches it", config::Range{64, 65536});
    v("run", run, "threads");
  }
  void validate(config::Problems& p) const;
};

struct ImportResult {
  int64_t tiles = 0, slides = 0;                 // in the store
  int64_t copied = 0, encoded = 0, resized = 0;  // by this run: pictures copied unchanged, encoded anew (or stored raw), resized before that
  int64_t bad = 0;                               // pictures left out, or slides that failed
  std::map<std::string, std::string> failures;   // of this run: picture or slide -> reason
  bool stopped = false;                          // on request; the same command goes on
  std::vector<std::string> shards;
};

/// Imports `path` in the format that `config.format` names, or that it shows: a CSV table, a folder (every JPEG, PNG and TIFF below it, its folder
/// being its class), WebDataset tars, CLAM's bags or JPEG streams in HDF5, an IDX file, or coordinates of TRIDENT or CLAM (import_coords()).
///
/// The store gets the text columns id (the path as the table gives it, a tar's key...), class, group, patient, split, caption: those that are
/// known. JPEGs of the right size are copied byte for byte. A picture that cannot be used is left out, counted and written to
/// failures.jsonl in `out`; the import goes on unless more than `max_bad_fraction` are bad. Finished slides are not imported again.
/// `progress` is called with the pictures (slides) done and their number.
/// Errors   Config: no `out`; Io; Data naming table and line or file: no such column, a picture twice, two pictures at one place, two
///          patients or scales in one slide, not a number or an impossible one, a name that is not UTF-8, a tar's labels apart from their
///          picture, a finished store of other files; too many bad pictures (neither JPEG, PNG nor TIFF, one of 16 bits, damaged, missing, another
///          size than the store's without `resize`), with the last one's reason.
/// Checked  tests/data/test_image_import.cpp, test_webdataset.cpp, test_picture_hdf5.cpp, test_slide_coords.cpp.
ImportResult import_images(const std::string& path, const ImportConfig& config, const std::function<void(int64_t, int64_t)>& progress = nullptr);

/// What an import would do, without reading a picture.
struct ImportAmounts {
  std::string format;
  int64_t pictures = 0, slides = 0;
  std::vector<std::string> columns;             // of the store
  std::map<std::string, std::string> failures;  // picture or slide -> why it would be left out, as far as listing tells
};
/// Errors   as import_images, apart from those of the pictures themselves.
ImportAmounts measure_import(const std::string& path, const ImportConfig& config);

}  // namespace eosin::data
