#pragma once
// Packed bags: checking, cutting, joining.
#include "data/bag_batch.h"

#include <vector>

namespace eosin::mil {

using data::BagBatch;

/// What every head needs of its bags.
///
/// Errors   Shape if the features are not [N, in_dim] or another part has another number of rows; Data if there is no bag, or one is empty
///          (names it).
/// Checked  tests/mil/test_bags.cpp.
void check_bags(const BagBatch& bags, int64_t in_dim);
/// "bag 'id'", or "bag 3" where it has no name.
std::string name_of(const BagBatch& bags, int64_t b);

/// Rows of each bag: views, whose gradients are joined once.
std::vector<Tensor> split_bags(const Tensor& x_N, const std::vector<int64_t>& offsets);
/// For every row the number of its bag.
///
/// Shapes   [N] int64, on the host.
Tensor bag_index(const std::vector<int64_t>& offsets);

/// Bag b alone.
BagBatch one_bag(const BagBatch& bags, int64_t b);
/// These rows of a single bag.
BagBatch rows_of(const BagBatch& bag, const Tensor& rows_K);
/// The bags of all batches in order. A part that one of them lacks is left out.
BagBatch pack_bags(const std::vector<BagBatch>& batches);
/// The same rows and bags with other features (of another width).
BagBatch with_features(const BagBatch& bags, const Tensor& features_NE);
/// Packs a padded batch: the rows whose mask is not zero.
///
/// Shapes   x_BMD, mask_BM.
/// Checked  golden mil.abmil_padded.
BagBatch from_padded(const Tensor& x_BMD, const Tensor& mask_BM);

/// The k largest, descending; of equal ones the lower index first, on every device.
///
/// Shapes   scores_N; returns int64 [k]. Needs k <= N.
/// Checked  tests/mil/test_bags.cpp.
Tensor top_indices(const Tensor& scores_N, int64_t k);

}  // namespace eosin::mil
