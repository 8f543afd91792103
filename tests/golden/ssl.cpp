#include "tests/golden/runner.h"

namespace eosin::golden {

std::vector<Row> ssl_rows() { return {}; }

}  // namespace eosin::golden
