#include "eval/protocol_result.h"

#include "core/base/error.h"

namespace eosin::eval {

Statistic statistic_of(const RowMeasure& m) {
  if (m.per.empty()) return mean_statistic(m.value);
  EOSIN_ASSERT(m.per.size() == m.value.size());
  return [value = m.value, per = m.per](Weights weight) -> std::optional<double> {
    double above = 0, below = 0;
    for (size_t i = 0; i < value.size(); ++i) above += weight_of(weight, i) * value[i], below += weight_of(weight, i) * per[i];
    if (!(below > 0)) return std::nullopt;
    return above / below;
  };
}

}  // namespace eosin::eval
