#pragma once
#include "core/tensor/comm.h"

#include <cstdint>
#include <vector>

namespace eosin::train {

/// Averages the gradients over the ranks through flat buffers, one per element type, in slices of `bucket_bytes`.
/// A parameter that has a gradient on some ranks only counts as zero on the others; one that has none anywhere stays without.
///
/// Checked  tests/train/test_ranks.cpp: two processes equal one with the concatenated batch.
class GradientSync {
 public:
  GradientSync(std::vector<Tensor> params, Comm& comm, int64_t bucket_bytes = int64_t{25} << 20);
  void average();

 private:
  struct Flat {
    std::vector<Tensor> params;
    Tensor buffer;  // the gradients one after another, then one element per parameter: how many ranks have it
  };
  void average(Flat& flat);

  std::vector<Flat> flats_;
  Comm& comm_;
  int64_t bucket_bytes_;
};

}  // namespace eosin::train
