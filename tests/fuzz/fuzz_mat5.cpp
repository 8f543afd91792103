#include "data/mat5.h"
#include "tests/data/mat5_bytes.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

void read(Bytes bytes) { data::parse_mat5(bytes, "input", 1 << 24); }

std::vector<std::string> seeds() {
  using namespace data::mat5;
  const std::string parts = numbers({2, 1}, {1, 2}, "a") + text({2, 2}, "acbd", "t") + cell({1, 2}, numbers({1, 1}, {3}) + element(14, ""), "c");
  return with(golden_inputs("data.mat5"), {mil_set(), file(parts)});
}

}  // namespace eosin::fuzz
