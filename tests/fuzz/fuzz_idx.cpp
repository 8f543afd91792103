#include "data/idx.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

void read(Bytes bytes) { data::parse_idx(bytes, "input", 1 << 24); }

std::vector<std::string> seeds() {
  return with(golden_inputs("data.idx_gz"), {std::string("\0\0\x0B\x02\0\0\0\x01\0\0\0\x02"
                                                         "abcd",
                                                         16)});
}

}  // namespace eosin::fuzz
