#include "data/picture.h"
#include "tests/fuzz/tiff_seeds.h"

namespace eosin::fuzz {

void read(Bytes bytes) { data::decode_picture(bytes, "input"); }

std::vector<std::string> seeds() { return tiff_seeds({1}); }

}  // namespace eosin::fuzz
