#include "eval/heatmap.h"

#include "core/base/error.h"
#include "data/resize.h"
#include "eval/input.h"
#include "eval/ranks.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace eosin::eval {
namespace {

constexpr int64_t kFooter = 52, kNarrowest = 480;

using Color = std::array<uint8_t, 3>;

/// 256 colours of cividis, which readers who see no red or no green order as others do (Nunez et al. 2018).
const std::array<Color, 256>& cividis() {
  static const std::array<Color, 256> table = [] {
    cv::Mat grey(1, 256, CV_8U), bgr;
    for (int i = 0; i < 256; ++i) grey.at<uint8_t>(0, i) = static_cast<uint8_t>(i);
    cv::applyColorMap(grey, bgr, cv::COLORMAP_CIVIDIS);
    std::array<Color, 256> colors;
    for (int i = 0; i < 256; ++i) {
      const auto& c = bgr.at<cv::Vec3b>(0, i);
      colors[static_cast<size_t>(i)] = {c[2], c[1], c[0]};
    }
    return colors;
  }();
  return table;
}

Color color_of(double share) { return cividis()[static_cast<size_t>(std::lround(std::clamp(share, 0.0, 1.0) * 255))]; }

/// The ground at no more than `longest_px`; white of the slide's form if there is none.
data::Image ground_of(data::Size slide, const data::Image* ground, int64_t longest_px) {
  const int64_t height = ground ? ground->height : slide.height, width = ground ? ground->width : slide.width;
  const double shrink = std::min(1.0, static_cast<double>(longest_px) / static_cast<double>(std::max(height, width)));
  const auto scaled = [&](int64_t v) { return std::max<int64_t>(1, std::llround(static_cast<double>(v) * shrink)); };
  if (ground) return data::resize(*ground, scaled(height), scaled(width), data::Filter::kBilinear);
  data::Image white(scaled(height), scaled(width));
  std::fill(white.rgb.begin(), white.rgb.end(), uint8_t{255});
  return white;
}

/// Sum and number of the values that fall on each pixel.
struct Painting {
  std::vector<double> sum, count;
};
Painting lay_out(const ScoredTiles& tiles, const std::vector<double>& value, data::Size slide, const data::Image& canvas) {
  const auto pixels = static_cast<size_t>(canvas.height * canvas.width);
  Painting p{std::vector<double>(pixels), std::vector<double>(pixels)};
  const auto place = [](int64_t v, int64_t pixels_of, int64_t of) { return v * pixels_of / of; };
  for (size_t i = 0; i < value.size(); ++i) {
    const auto [x, y] = tiles.corner[i];
    const int64_t left = std::max<int64_t>(0, place(x, canvas.width, slide.width)), top = std::max<int64_t>(0, place(y, canvas.height, slide.height));
    const int64_t right = std::min(canvas.width, std::max(left + 1, place(x + tiles.size_px, canvas.width, slide.width)));
    const int64_t bottom = std::min(canvas.height, std::max(top + 1, place(y + tiles.size_px, canvas.height, slide.height)));
    for (int64_t v = top; v < bottom; ++v)
      for (int64_t u = left; u < right; ++u) {
        const auto at = static_cast<size_t>(v * canvas.width + u);
        p.sum[at] += value[i], p.count[at] += 1;
      }
  }
  return p;
}

void blend(const Painting& p, double alpha, data::Image& canvas) {
  for (size_t at = 0; at < p.sum.size(); ++at) {
    if (p.count[at] == 0) continue;
    const Color color = color_of(p.sum[at] / p.count[at]);
    for (size_t c = 0; c < 3; ++c) {
      uint8_t& v = canvas.rgb[3 * at + c];
      v = static_cast<uint8_t>(std::lround(alpha * color[c] + (1 - alpha) * v));
    }
  }
}

/// 1, 2 or 5 times a power of ten, the longest that is no longer than `most`.
double round_length(double most) {
  const double power = std::pow(10, std::floor(std::log10(most)));
  for (const double factor : {5.0, 2.0})
    if (factor * power <= most) return factor * power;
  return power;
}

/// The canvas with a footer below it.
data::Image with_footer(const data::Image& canvas, data::Size slide, const HeatmapStyle& style) {
  data::Image out(canvas.height + kFooter, std::max(canvas.width, kNarrowest));
  std::fill(out.rgb.begin(), out.rgb.end(), uint8_t{255});
  for (int64_t y = 0; y < canvas.height; ++y) std::copy_n(canvas.row(y), 3 * canvas.width, out.row(y));
  cv::Mat page(static_cast<int>(out.height), static_cast<int>(out.width), CV_8UC3, out.rgb.data());
  const int top = static_cast<int>(canvas.height) + 8;
  const cv::Scalar black(0, 0, 0);
  const auto write = [&](const std::string& text, int x, int y) {
    cv::putText(page, text, {x, y}, cv::FONT_HERSHEY_SIMPLEX, 0.4, black, 1, cv::LINE_AA);
  };
  for (int u = 0; u < 160; ++u) {
    const Color c = color_of(u / 159.0);
    cv::line(page, {40 + u, top}, {40 + u, top + 13}, {double(c[0]), double(c[1]), double(c[2])});
  }
  write("low", 10, top + 11), write("high", 206, top + 11), write(style.legend, 10, top + 34);
  if (style.mpp <= 0) return out;
  const double um_per_px = style.mpp * static_cast<double>(slide.width) / static_cast<double>(canvas.width);
  const double length = round_length(um_per_px * static_cast<double>(out.width) / 5);
  const int right = static_cast<int>(out.width) - 12, left = right - static_cast<int>(std::lround(length / um_per_px));
  cv::rectangle(page, cv::Point{left, top + 6}, cv::Point{right, top + 9}, black, cv::FILLED);
  write(length >= 1000 ? fmt::format("{:g} mm", length / 1000) : fmt::format("{:g} um", length), left, top + 25);
  return out;
}

void check_tiles(const ScoredTiles& tiles) {
  EOSIN_CHECK(tiles.corner.size() == tiles.score.size(), Shape, "[heat map] {} tiles and {} scores", tiles.corner.size(), tiles.score.size());
  EOSIN_CHECK(tiles.size_px > 0, Shape, "[heat map] tiles of {} level-0 pixels (need at least 1)", tiles.size_px);
}

}  // namespace

std::vector<double> score_percentiles(const std::vector<double>& score) {
  EOSIN_CHECK(!score.empty(), Data, "[heat map] there is no tile");
  check_finite("heat map", "score", score);
  std::vector<double> share = average_ranks(score).rank;
  for (double& v : share) v /= static_cast<double>(score.size());
  return share;
}

int64_t grid_step(const std::vector<data::Point>& corner) {
  int64_t step = 0;
  const auto narrow = [&](auto coordinate) {
    std::vector<int64_t> v;
    for (const auto& p : corner) v.push_back(coordinate(p));
    std::sort(v.begin(), v.end());
    for (size_t i = 1; i < v.size(); ++i)
      if (v[i] > v[i - 1] && (step == 0 || v[i] - v[i - 1] < step)) step = v[i] - v[i - 1];
  };
  narrow([](const data::Point& p) { return p.x; });
  narrow([](const data::Point& p) { return p.y; });
  return step;
}

data::Image paint_heatmap(const ScoredTiles& tiles, data::Size slide, const data::Image* ground, const HeatmapStyle& style) {
  check_tiles(tiles);
  EOSIN_CHECK(slide.width > 0 && slide.height > 0, Shape, "[heat map] a slide of {} x {} pixels", slide.width, slide.height);
  const auto share = score_percentiles(tiles.score);
  data::Image canvas = ground_of(slide, ground, style.longest_px);
  blend(lay_out(tiles, share, slide, canvas), ground ? style.alpha : 1, canvas);
  return with_footer(canvas, slide, style);
}

std::string tiles_geojson(const ScoredTiles& tiles, const std::vector<Measurement>& measurements) {
  check_tiles(tiles);
  std::string text = R"({"type":"FeatureCollection","features":[)";
  for (size_t i = 0; i < tiles.corner.size(); ++i) {
    const auto [x, y] = tiles.corner[i];
    const int64_t right = x + tiles.size_px, bottom = y + tiles.size_px;
    nlohmann::ordered_json values = nlohmann::ordered_json::object();
    for (const auto& [name, value] : measurements) {
      EOSIN_CHECK(value.size() == tiles.corner.size(), Shape, "[heat map] {} values of {} for {} tiles", value.size(), name, tiles.corner.size());
      values[name] = value[i];
    }
    text += fmt::format(R"({}{{"type":"Feature","geometry":{{"type":"Polygon","coordinates":[[[{},{}],[{},{}],[{},{}],[{},{}],[{},{}]]]}},)"
                        R"("properties":{{"objectType":"tile","measurements":{}}}}})",
                        i == 0 ? "\n" : ",\n", x, y, right, y, right, bottom, x, bottom, x, y, values.dump());
  }
  return text + "\n]}\n";
}

}  // namespace eosin::eval
