#include "data/jpeg.h"

#include "tests/data/store_fixture.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

void read(Bytes bytes) {
  data::Image image;
  data::JpegLimits limits;
  limits.max_pixels = 1 << 20;
  refused([&] { data::read_jpeg_info(bytes); });
  refused([&] { data::decode_jpeg(bytes, image, limits); });
  // As a tile of a TIFF whose tables are the first half.
  const auto merged = data::merge_jpeg_tables(bytes.first(bytes.size() / 2), bytes.subspan(bytes.size() / 2), true);
  data::decode_jpeg(merged, image, limits);
}

std::vector<std::string> seeds() {
  std::vector<std::string> files = golden_inputs("data.jpeg");
  for (const auto subsampling : {data::Subsampling::k444, data::Subsampling::k422, data::Subsampling::k420}) {
    std::vector<uint8_t> bytes;
    data::encode_jpeg(data::test_picture(1, 2), 90, subsampling, bytes);
    files.emplace_back(bytes.begin(), bytes.end());
  }
  return files;
}

}  // namespace eosin::fuzz
