#pragma once
#include "data/batch.h"

#include <vector>

namespace eosin::ssl {

/// The two views of a batch that methods on pairs take.
///
/// Errors   Shape naming `method` if there are fewer than two or they differ in size.
std::vector<Tensor> view_pair(const data::ViewBatch& batch, const char* method);

}  // namespace eosin::ssl
