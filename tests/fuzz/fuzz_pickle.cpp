#include "core/tensor/torch_archive.h"

#include "tests/fuzz/target.h"
#include "tests/tensor/torch_archive_bytes.h"

namespace eosin::fuzz {

/// The bytes are the pickle inside a sound archive with one record.
void read(Bytes bytes) {
  const std::string file =
      stored_zip({{"a/data.pkl", {reinterpret_cast<const char*>(bytes.data()), bytes.size()}}, {"a/data/0", std::string(64, 'x')}});
  parse_torch_archive({reinterpret_cast<const uint8_t*>(file.data()), file.size()}, "input");
}

std::vector<std::string> seeds() {
  using namespace pickled;
  const std::string w = tensor({"0", "FloatStorage", 6, 0, {2, 3}, {3, 1}}), b = tensor({"0", "BoolStorage", 3, 0, {3}, {1}});
  return {whole(dict(text("model") + dict(text("w") + w + text("b") + b) + text("epoch") + integer(7))),
          whole("](" + w + "Nq\x01h\x01" + tuple_of({1, 2}) + "e"),
          whole(global("torch._utils", "_rebuild_parameter") + tuple(w + "\x88" + global("collections", "OrderedDict") + ")R") + "R"),
          whole(global("argparse", "Namespace") + ")\x81" + dict(text("lr") + integer(1)) + "b")};
}

}  // namespace eosin::fuzz
