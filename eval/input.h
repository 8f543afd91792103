#pragma once
// What every measure asks of its input before it computes: a wrong input is a typed error here, never a NaN later.
#include "eval/matrix.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace eosin::eval {

/// Class of each sample, 0 ... num_classes-1.
using Labels = std::span<const int64_t>;
/// Weight of each sample; empty means 1 for all.
using Weights = std::span<const double>;

inline double weight_of(Weights weight, size_t i) { return weight.empty() ? 1.0 : weight[i]; }

/// Errors   Data: no samples; a label outside 0 ... num_classes-1 (names the row).
void check_labels(std::string_view where, Labels labels, int64_t num_classes);
/// Errors   Data: sizes differ.
void check_length(std::string_view where, std::string_view what, size_t got, size_t need);
/// Errors   Data: a NaN or an infinity (names the position).
void check_finite(std::string_view where, std::string_view what, std::span<const double> values);
/// Errors   Data: weights of another length than `need` (unless empty), negative or not finite, or all zero.
void check_weights(std::string_view where, Weights weight, size_t need);
/// Errors   Data: rows or columns differ, or a value is not finite.
void check_scores(std::string_view where, MatrixView score, size_t rows, int64_t cols);
/// Errors   Data: a row outside [0, 1], or whose sum is further than 1e-3 from 1 (names the row).
void check_probabilities(std::string_view where, MatrixView prob);

}  // namespace eosin::eval
