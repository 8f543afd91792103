#include "core/base/csv.h"

#include "tests/fuzz/target.h"

namespace eosin::fuzz {

/// What is read can be written, and reads the same again.
void read(Bytes bytes) {
  const CsvTable table = CsvTable::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "input");
  std::string again = csv_line(table.header());
  for (size_t i = 0; i < table.size(); ++i) again += csv_line(table.row(i));
  const CsvTable copy = CsvTable::parse(again, "copy");
  EOSIN_ASSERT(copy.header() == table.header());
  for (size_t i = 0; i < table.size(); ++i) EOSIN_ASSERT(copy.row(i) == table.row(i));
}

std::vector<std::string> seeds() { return {"\xEF\xBB\xBFslide,label\r\n007,\"a \"\"b\"\"\nc\"\r\n\r\n8,\n", "a\n1\n2"}; }

}  // namespace eosin::fuzz
