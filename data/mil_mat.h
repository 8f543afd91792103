#pragma once
// The classic sets of multiple-instance learning (Musk1, Musk2, Fox, Tiger, Elephant) as PRTools wrote them.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data {

/// Instances in bags. Only bags have labels: 1 where any instance is positive.
struct BagSet {
  Tensor instances_ND;             // float64
  std::vector<int64_t> bag_index;  // of each instance, 0 ... B-1 in the order of first appearance
  std::vector<int64_t> bag_label;  // of each bag, 0 or 1
};

/// Reads a MATLAB file with a PRTools MIL set: the object `x` with `data`, `nlab` (2: positive) and `ident.milbag`, which names each
/// instance's bag by a number or by a row of text.
///
/// Errors   those of read_mat5; Data if a part is missing, of another number of rows, or not finite.
/// Checked  golden data.mil_mat, tests/data/test_mat5.cpp.
BagSet read_mil_mat(const std::string& path);

/// Instance rows of bag `bag`, ascending; those of a bag need not be neighbours.
///
/// Shapes   int64 [n].
Tensor rows_of_bag(const BagSet& set, int64_t bag);

/// (x - mean) / standard deviation over all rows (population form; 0 counts as 1), in double, summed as numpy sums MATLAB's columns.
///
/// Checked  golden mil.mil_on_bags.
Tensor standardised(const Tensor& x_ND);

}  // namespace eosin::data
