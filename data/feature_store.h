#pragma once
// Features on disk in TRIDENT's layout: one HDF5 file a slide with /features [N, D] and /coords [N, 2], so that its readers and
// Patho-Bench's work unchanged; for image stores one file, with /ids beside them. docs/formats.md has the details.
#include "core/tensor/hdf5.h"
#include "core/tensor/tensor.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

class TileStore;

/// The data sets of a slide's file of TRIDENT or CLAM, with all their attributes. Row i of each belongs to tile i.
struct SlideFile {
  TensorMap tensors;                                                       // those of coords, features, imgs that the file has, as stored
  std::map<std::string, std::map<std::string, h5::Attribute>> attributes;  // by data set, then name
};

/// Reads coordinates, features and picture bags of TRIDENT and CLAM, and what write_features() wrote; of a file of
/// CLAM's pt_files (*.pt) the one tensor, which is features. Any chunking, int32 or int64 coords, float16, 32 or 64 features, [N, D] or
/// [1, N, D] (which becomes [N, D]), no rows, and missing attributes are accepted.
///
/// Errors   Io if it cannot be opened; Data naming file and data set: not complete HDF5, none of the data sets, other shapes or types,
///          different numbers of rows, non-finite features (with their number and the first one's row), a checksum that does not fit.
/// Checked  golden data.trident_h5 and data.clam_h5, tests/data/test_feature_store.cpp.
SlideFile read_slide_file(const std::string& path);

/// What a features file says of its origin. 0 or empty: unknown.
struct FeatureMeta {
  std::string name, savetodir, encoder;
  int64_t patch_size = 0;         // pixels of a tile at the target scale
  int64_t patch_size_level0 = 0;  // its edge in level-0 pixels
  int64_t level0_magnification = 0, target_magnification = 0;
  int64_t overlap = 0, level0_width = 0, level0_height = 0;
  double mpp = 0;
  std::string weights_sha256, transform;
  std::string tiles_crc32c;  // of the checksums of the tiles that it was made of, in their order
};
/// What the store knows of a slide (a row of its slide table); encoder, savetodir, weights and transform are left to the caller.
/// Magnifications are derived: 10 / mpp, rounded.
FeatureMeta feature_meta(const TileStore& store, size_t slide);

struct SlideFeatures {
  FeatureMeta meta;
  Tensor features_ND;            // float16, float32 or float64, as stored
  Tensor coords_N2;              // int64, level-0 pixels; zeros where a file of another program has none
  std::vector<std::string> ids;  // of the rows, for image stores; else empty
  int64_t dropped_rows = 0;      // those that are not here, for features that are not finite
};

/// What becomes of a row with a feature that is not finite.
enum class NonFinite { Refuse, DropRow };

/// Reads a features file.
/// Errors   as read_slide_file; Data if the file has no features, or ids of another number.
SlideFeatures read_features(const std::string& path, NonFinite non_finite = NonFinite::Refuse);

/// Writes a features file that is complete or absent, with a crc32c of each data set in its attributes.
///
/// Shapes   features_ND float16 or float32 (any device); coords_N2 int64; ids empty or N texts.
/// Errors   Shape if the numbers of rows differ; Numeric if a feature is not finite (with their number); Io.
void write_features(const std::string& path, const SlideFeatures& features);

/// Features files of a folder (*.h5; if there are none, *.pt), in name order; or the one file. Data error if there is none.
std::vector<std::string> list_features(const std::string& path);

}  // namespace eosin::data
