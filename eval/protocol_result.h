#pragma once
// What a protocol hands back for its test rows.
#include "eval/metrics.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace eosin::eval {

/// A value for every test row, whose mean is reported with an interval like a metric; higher is better. With `per` it is the share sum(value) /
/// sum(per).
struct RowMeasure {
  std::string name;  // "retrieval_acc@5"
  std::vector<double> value;
  std::vector<double> per = {};
};
/// The measure under weights of the rows; absent where they leave nothing to divide by.
Statistic statistic_of(const RowMeasure& measure);

/// Predictions for the test rows, and what is worth knowing of the fit (C and how it was chosen, iterations, training accuracy).
struct ProtocolResult {
  Predictions predictions;
  nlohmann::ordered_json fit;
  std::vector<RowMeasure> measures = {};
};

}  // namespace eosin::eval
