#include "tests/golden/runner.h"

namespace eosin::golden {

std::vector<Row> data_store_rows() { return {}; }

}  // namespace eosin::golden
