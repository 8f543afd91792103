#include "data/png.h"

#include "tests/data/store_fixture.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

void read(Bytes bytes) {
  refused([&] { data::decode_png(bytes, "input"); });
  data::read_mask_png(as_file(bytes));
}

std::vector<std::string> seeds() {
  const std::vector<uint8_t> bytes = data::encode_png(data::test_picture(1, 2, 9, 7));
  return {{bytes.begin(), bytes.end()}};
}

}  // namespace eosin::fuzz
