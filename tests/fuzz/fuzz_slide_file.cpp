#include "core/base/atomic_file.h"
#include "core/tensor/hdf5.h"
#include "data/feature_store.h"
#include "tests/fuzz/target.h"

#include <ATen/ATen.h>

namespace eosin::fuzz {

/// Coordinates, features and picture bags of CLAM and TRIDENT.
void read(Bytes bytes) {
  const std::string path = as_file(bytes);
  refused([&] { data::read_slide_file(path); });
  data::read_features(path);
}

std::vector<std::string> seeds() {
  const std::string path = fresh_path("seed.h5");
  data::SlideFeatures features;
  features.features_ND = at::ones({3, 5});
  features.coords_N2 = at::zeros({3, 2}, at::kLong);
  features.ids = {"a", "b", "c"};
  data::write_features(path, features);
  return with(with(golden_files("clam_"), golden_files("trident_")), {read_file(path)});
}

}  // namespace eosin::fuzz
