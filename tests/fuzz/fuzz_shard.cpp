#include "data/shard.h"

#include "core/base/atomic_file.h"
#include "tests/data/store_fixture.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

void read(Bytes bytes) {
  const data::Shard shard(as_file(bytes), false);  // a checksum of the index would stop almost every change
  std::vector<uint8_t> buffer;
  data::Image image;
  for (uint64_t i = 0; i < std::min<uint64_t>(shard.n_tiles(), 4); ++i) {
    shard.tile(i);
    refused([&] { shard.read_image(i, buffer, image); });
  }
  for (const auto& column : shard.columns()) refused([&] { shard.column(column); });
}

std::vector<std::string> seeds() {
  std::vector<std::string> files = golden_files("store_");
  for (const data::Codec codec : {data::Codec::kJpeg, data::Codec::kRaw})
    for (const std::string& shard : data::write_store(fresh_path(data::name(codec)), {2, 1}, data::test_settings(codec)))
      files.push_back(read_file(shard));
  return files;
}

}  // namespace eosin::fuzz
