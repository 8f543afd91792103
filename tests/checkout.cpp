#include "tests/checkout.h"

namespace eosin {

std::string source_dir() { return EOSIN_SOURCE_DIR; }
std::string binary_dir() { return EOSIN_BINARY_DIR; }

}  // namespace eosin
