#pragma once
// Features as float64 rows, block by block: a full float64 copy of 10^6 x 1536 half-precision features would not fit.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace eosin::eval {

/// What is done to a row when it is read: (x - center) / scale, then to unit length. Fitted on training rows, applied to any.
struct RowTransform {
  std::vector<double> center = {}, scale = {};  // [D], or empty
  bool unit = false;
  double least_length = 0;  // a row shorter than this is divided by it instead; 0: a row of length 0 is an error

  /// Mean of the rows.
  static RowTransform centered(const Tensor& x_ND);
  /// Mean and population standard deviation of the rows (a constant column keeps scale 1).
  static RowTransform standardized(const Tensor& x_ND);
};

/// Reads [begin, end) of x_ND as contiguous float64 rows, transformed.
///
/// Errors   Data: a row of length 0 where directions are needed (names the row).
class RowReader {
 public:
  /// Errors   Shape if x_ND has not two dimensions. Data if it is empty or holds a value that is not finite (names the row).
  RowReader(const Tensor& x_ND, RowTransform transform, std::string_view where);
  int64_t rows() const { return rows_; }
  int64_t dim() const { return dim_; }
  /// A float64 contiguous [end - begin, D]; may share memory with the features where nothing is to be done.
  Tensor read(int64_t begin, int64_t end) const;

 private:
  Tensor x_ND_;
  RowTransform transform_;
  std::string where_;
  int64_t rows_, dim_;
};

}  // namespace eosin::eval
