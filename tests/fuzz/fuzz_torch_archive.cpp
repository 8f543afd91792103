#include "core/tensor/torch_archive.h"

#include "tests/fuzz/target.h"
#include "tests/tensor/torch_archive_bytes.h"

namespace eosin::fuzz {

/// Without the checksums, which would stop almost every change before the pickle is read.
void read(Bytes bytes) { parse_torch_archive(bytes, "input", false); }

std::vector<std::string> seeds() { return with(golden_inputs("data.pickle_reader"), {small_torch_archive()}); }

}  // namespace eosin::fuzz
