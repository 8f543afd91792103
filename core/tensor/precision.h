#pragma once
// Losses, norms and statistics are computed in float32 at least, whatever runs around them.
#include "core/tensor/tensor.h"

#include <c10/core/ScalarType.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace eosin {

/// While it lives, autocast leaves this thread's operations alone.
class FullPrecision {
 private:
  c10::impl::ExcludeDispatchKeyGuard no_autocast_{c10::autocast_dispatch_keyset};
};

/// float64 stays, everything else becomes float32.
inline Tensor at_least_float(const Tensor& x) { return x.scalar_type() == c10::kDouble ? x : x.to(c10::kFloat); }

}  // namespace eosin
