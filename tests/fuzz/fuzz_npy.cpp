#include "data/npy.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

void read(Bytes bytes) { data::parse_npy(bytes, "input"); }

std::vector<std::string> seeds() {
  const std::string header = "{'descr': '<i2', 'fortran_order': True, 'shape': (1, 3), }\n";
  return with(golden_inputs("data.npy"), {std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + "abcdef"});
}

}  // namespace eosin::fuzz
