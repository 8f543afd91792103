#include "data/slide_reader.h"

#include "core/base/error.h"

#include <algorithm>

namespace eosin::data {
namespace {

constexpr int64_t kMaxLevelPixels = 100'000'000;
constexpr int64_t kStripPixels = 4'000'000;

/// First source row (or column) of output cell i when n source pixels become m cells.
int64_t edge(int64_t i, int64_t n, int64_t m) { return i * n / m; }

/// Adds the bytes of a row to the sums of their columns.
void add_row(const uint8_t* row, std::vector<uint32_t>& sums) {
  uint32_t* const sum = sums.data();
  for (size_t i = 0, n = sums.size(); i < n; ++i) sum[i] += row[i];
}

/// The means of the cells of `rows` summed rows; cell u has the columns from edges[u] to edges[u + 1].
void write_means(const std::vector<uint32_t>& sums, int64_t rows, const std::vector<int64_t>& edges, uint8_t* rgb) {
  for (size_t u = 0; u + 1 < edges.size(); ++u) {
    const auto count = static_cast<uint64_t>(rows * (edges[u + 1] - edges[u]));
    for (int64_t c = 0; c < 3; ++c) {
      uint64_t sum = count / 2;
      for (int64_t x = edges[u]; x < edges[u + 1]; ++x) sum += sums[static_cast<size_t>(3 * x + c)];
      *rgb++ = static_cast<uint8_t>(sum / count);
    }
  }
}

/// Box averages of a level, cell (u, v) being its rectangle [u n/m, (u+1) n/m).
Image average(const SlideReader& reader, int level, Size out) {
  const SlideInfo& info = reader.info();
  const Size n = info.dimensions[static_cast<size_t>(level)];
  Image result(out.height, out.width);
  const int64_t cell_rows = n.height / out.height + 1;
  const int64_t cells_a_strip = std::max<int64_t>(1, kStripPixels / (n.width * cell_rows));
  std::vector<int64_t> columns;
  for (int64_t u = 0; u <= out.width; ++u) columns.push_back(edge(u, n.width, out.width));
  std::vector<uint8_t> strip;
  std::vector<uint32_t> sums(static_cast<size_t>(3 * n.width));  // 2^24 rows fit
  for (int64_t v0 = 0; v0 < out.height; v0 += cells_a_strip) {
    const int64_t v1 = std::min(out.height, v0 + cells_a_strip);
    const int64_t top = edge(v0, n.height, out.height), bottom = edge(v1, n.height, out.height);
    strip.resize(static_cast<size_t>(3 * n.width * (bottom - top)));
    const auto y0 = static_cast<int64_t>(static_cast<double>(top) * static_cast<double>(info.size().height) / static_cast<double>(n.height));
    reader.read({0, y0}, level, {n.width, bottom - top}, strip.data());
    for (int64_t v = v0; v < v1; ++v) {
      const int64_t first = edge(v, n.height, out.height), last = edge(v + 1, n.height, out.height);
      std::fill(sums.begin(), sums.end(), 0);
      for (int64_t y = first; y < last; ++y) add_row(strip.data() + 3 * n.width * (y - top), sums);
      write_means(sums, last - first, columns, result.row(v));
    }
  }
  return result;
}

}  // namespace

int SlideInfo::level_for(double downsample) const {
  int level = 0;
  for (size_t l = 0; l < downsamples.size(); ++l)
    if (downsamples[l] <= downsample) level = static_cast<int>(l);
  return level;
}

Image read_region(const SlideReader& reader, Point level0, int level, Size size) {
  Image image;
  read_region(reader, level0, level, size, image);
  return image;
}

void read_region(const SlideReader& reader, Point level0, int level, Size size, Image& out) {
  out.height = size.height, out.width = size.width;
  out.rgb.resize(static_cast<size_t>(size.height * size.width * 3));
  reader.read(level0, level, size, out.rgb.data());
}

Image read_level(const SlideReader& reader, int level) {
  const SlideInfo& info = reader.info();
  EOSIN_CHECK(level >= 0 && level < static_cast<int>(info.dimensions.size()), Data, "[slide] '{}' has no level {} (it has {})", info.path, level,
              info.dimensions.size());
  const Size size = info.dimensions[static_cast<size_t>(level)];
  EOSIN_CHECK(
      size.width <= kMaxLevelPixels / size.height, Data,
      "[slide] level {} of '{}' is too large to read at once (got {} x {}, need at most {} pixels); the slide lacks a pyramid: use a method that "
      "reads an overview",
      level, info.path, size.width, size.height, kMaxLevelPixels);
  return read_region(reader, {0, 0}, level, size);
}

Image read_overview(const SlideReader& reader, int64_t max_edge) {
  const SlideInfo& info = reader.info();
  const int64_t longest = std::max(info.size().width, info.size().height);
  const double shrink = std::max(1.0, static_cast<double>(longest) / static_cast<double>(max_edge));
  const int level = info.level_for(shrink);
  const Size n = info.dimensions[static_cast<size_t>(level)];
  const auto cells = [&](int64_t level0, int64_t have) {
    return std::clamp<int64_t>(static_cast<int64_t>(static_cast<double>(level0) / shrink), 1, std::min(have, max_edge));
  };
  return average(reader, level, {cells(info.size().width, n.width), cells(info.size().height, n.height)});
}

}  // namespace eosin::data
