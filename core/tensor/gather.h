#pragma once
// A gather over ranks that gradients go through.
#include "core/tensor/comm.h"

#include <memory>

namespace eosin {

/// The rows of all ranks, in rank order; one rank's own tensor is returned as it is.
///
/// Gradient  sum over the ranks of what each has for my rows. With a loss that every rank computes from the gathered rows, or from its own
///           rows against them, and gradients that the loop averages over the ranks, two ranks train what one process with the
///           concatenated batch does: the mean over ranks of their losses is what is minimised.
/// Shapes    rows_ND of equal shape on all ranks -> [ranks * N, ...].
/// Errors    as Comm; a rank that takes no part in the backward pass makes the others wait.
/// Checked   tests/tensor/test_comm.cpp.
Tensor gather_rows(const Tensor& rows_ND, const std::shared_ptr<Comm>& comm);

}  // namespace eosin
