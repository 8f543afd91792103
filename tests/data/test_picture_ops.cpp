#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/error.h"
#include "core/base/rng.h"
#include "data/color_jitter.h"
#include "data/crop_box.h"
#include "data/gaussian_blur.h"
#include "data/hed_jitter.h"
#include "data/orientation.h"
#include "data/resize.h"
#include "data/tone.h"

namespace eosin::data {
namespace {

Image noise(int64_t height, int64_t width, uint64_t seed = 1) {
  Image image(height, width);
  RandomStream s(seed, 0, 0, RandomOp::kSynthetic);
  for (auto& v : image.rgb) v = static_cast<uint8_t>(s.below(256));
  return image;
}

/// Planes with memory of their own.
struct OwnPlanes {
  std::vector<float> memory;
  Planes planes;
  OwnPlanes(int64_t h, int64_t w) : memory(static_cast<size_t>(3 * h * w)), planes{memory.data(), h, w} {}
  explicit OwnPlanes(const Image& image) : OwnPlanes(image.height, image.width) { to_planes(image, planes); }
};

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return worst;
}

TEST(Resize, KeepsAConstantPictureAndItsSize) {
  for (const Filter filter : {Filter::kBilinear, Filter::kBicubic, Filter::kLanczos})
    for (const auto& [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {3, 71}, {53, 7}, {31, 29}}) {
      Image grey(31, 29);
      std::fill(grey.rgb.begin(), grey.rgb.end(), uint8_t{201});
      const Image out = resize(grey, h, w, filter);
      ASSERT_EQ(out.height, h);
      ASSERT_EQ(out.width, w);
      EXPECT_TRUE(std::all_of(out.rgb.begin(), out.rgb.end(), [](uint8_t v) { return v == 201; }));
    }
}

TEST(Resize, FloatFormFollowsTheByteForm) {
  const Image image = noise(61, 47);
  for (const auto& [h, w] : {std::pair<int64_t, int64_t>{23, 19}, {61, 13}, {67, 101}, {5, 3}}) {
    const Image bytes = resize(image, h, w, Filter::kBilinear);
    OwnPlanes expected(bytes), got(h, w);
    resize(OwnPlanes(image).planes, got.planes, Filter::kBilinear);
    EXPECT_LE(largest_difference(expected.memory, got.memory), 1.5 / 255) << h << "x" << w;
  }
}

TEST(Resize, MirrorsWhileResizing) {
  const Image image = noise(43, 37);
  OwnPlanes plain(17, 29), mirrored(17, 29);
  const OwnPlanes in(image);
  resize(in.planes, plain.planes, Filter::kBicubic);
  resize(in.planes, mirrored.planes, Filter::kBicubic, true, true);
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < 17; ++y)
      for (int64_t x = 0; x < 29; ++x) ASSERT_EQ(plain.planes.row(c, y)[x], mirrored.planes.row(c, 16 - y)[28 - x]);
}

TEST(Resize, TapsStayInsideTheBox) {
  Image image = noise(64, 64);
  const Box box{10, 20, 23, 31};
  const Image before = crop_resize(image, box, 47, 41, Filter::kLanczos);
  for (int64_t y = 0; y < 64; ++y)
    for (int64_t x = 0; x < 64; ++x)
      if (y < box.top || y >= box.top + box.height || x < box.left || x >= box.left + box.width) std::fill_n(image.row(y) + 3 * x, 3, uint8_t{0});
  EXPECT_EQ(crop_resize(image, box, 47, 41, Filter::kLanczos).rgb, before.rgb);
}

TEST(Resize, RefusesWhatIsNoPicture) {
  const Image image = noise(8, 8);
  EXPECT_THROW(resize(image, 0, 4, Filter::kBicubic), Error);
  EXPECT_THROW(resize(Image(), 4, 4, Filter::kBicubic), Error);
  EXPECT_THROW(crop_resize(image, {0, 0, 9, 8}, 4, 4, Filter::kBicubic), Error);
  EXPECT_THROW(crop_resize(image, {-1, 0, 4, 4}, 4, 4, Filter::kBicubic), Error);
  EXPECT_THROW(filter_by_name("cubic"), Error);
}

TEST(Resize, FloatFormRefusesSizesBelowOne) {
  const OwnPlanes in(noise(8, 7));
  for (const auto [h, w] : {std::pair<int64_t, int64_t>{0, 5}, {5, 0}, {-3, 5}, {5, -1}}) {
    const OwnPlanes out(0, 0);
    try {
      resize(in.planes, {out.planes.data, h, w}, Filter::kBicubic);
      FAIL() << h << " x " << w;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Shape);
    }
  }
}

TEST(ColorJitter, RefusesFactorsOutsideTheirRange) {
  const double nan = std::nan("");
  for (const std::array<double, 4> factors :
       {std::array<double, 4>{1, 1, 1, 0.51}, {1, 1, 1, -0.51}, {1, 1, 1, nan}, {-0.1, 1, 1, 0}, {1, -1, 1, 0}, {1, 1, -2, 0}, {nan, 1, 1, 0}}) {
    Image image = noise(5, 7);
    const OwnPlanes planes(image);
    const ColorJitter jitter{{0, 1, 2, 3}, factors};
    EXPECT_THROW(color_jitter(image, jitter), Error);
    EXPECT_THROW(color_jitter(planes.planes, jitter), Error);
  }
  Image image = noise(5, 7);
  EXPECT_NO_THROW(color_jitter(image, {{3, 2, 1, 0}, {0, 0, 0, -0.5}}));
}

TEST(Blur, FloatBoxesFollowPillows) {
  const Image image = noise(41, 53);
  for (const double radius : {0.1, 0.7, 1.3, 2.0, 5.0}) {
    Image bytes = image;
    OwnPlanes planes(image);
    box_blur(bytes, radius);
    box_blur(planes.planes, radius);
    OwnPlanes want(bytes);
    const double worst = 255 * largest_difference(want.memory, planes.memory);
    EXPECT_LE(worst, 3.0) << "radius " << radius;  // six truncations to u8
  }
}

TEST(Blur, KernelKeepsTheMeanAndTakesSmallPictures) {
  for (const auto& [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {2, 3}, {5, 4}, {37, 29}}) {
    Image grey(h, w);
    std::fill(grey.rgb.begin(), grey.rgb.end(), uint8_t{77});
    kernel_blur(grey, 9, 1.7);
    EXPECT_TRUE(std::all_of(grey.rgb.begin(), grey.rgb.end(), [](uint8_t v) { return v == 77; }));
  }
  Image image = noise(4, 4);
  EXPECT_THROW(kernel_blur(image, 8, 1.0), Error);
  EXPECT_THROW(kernel_blur(image, 9, 0.0), Error);
  EXPECT_THROW(box_blur(image, -1.0), Error);
}

TEST(HedJitter, FloatFollowsDouble) {
  const Image image = noise(19, 23);
  for (const HedJitter& jitter : {HedJitter{}, HedJitter{{1.05, 0.95, 1.02}, {0.03, -0.05, 0.01}}, HedJitter{{0.8, 1.2, 1.0}, {0.2, -0.2, 0.1}}}) {
    const std::vector<float> want = hed_jitter(image, jitter);
    OwnPlanes got(image);
    hed_jitter(got.planes, jitter);
    double worst = 0;
    for (int64_t i = 0; i < got.planes.size(); ++i)
      for (int64_t c = 0; c < 3; ++c)
        worst = std::max(worst, std::abs(static_cast<double>(got.planes.plane(c)[i]) - static_cast<double>(want[static_cast<size_t>(3 * i + c)])));
    EXPECT_LE(worst, 2e-5);
  }
}

TEST(Orientation, MirrorsAndTranspositionAreTheGroup) {
  const Image image = noise(13, 13);
  for (int i = 0; i < 8; ++i) {
    const Orientation o = d4_orientation(i);
    Image byhand = crop_resize(image, {0, 0, 13, 13}, 13, 13, Filter::kBicubic, o.hflip, o.vflip);
    if (o.transpose) byhand = transposed(byhand);
    EXPECT_EQ(byhand.rgb, d4(image, i).rgb) << i;
    OwnPlanes planes(image);
    transpose(planes.planes);
    EXPECT_EQ(planes.memory, OwnPlanes(transposed(image)).memory);
  }
  EXPECT_THROW(d4(image, 8), Error);
  OwnPlanes wide(3, 5);
  EXPECT_THROW(transpose(wide.planes), Error);
}

TEST(CropBox, LiesInsideForEveryDraw) {
  for (uint64_t p = 0; p < 2000; ++p) {
    RandomStream s(7, p, 0, RandomOp::kBox);
    std::array<double, kBoxDraws> u;
    for (double& v : u) v = s.uniform_double();
    const Box b = random_box(67, 151, {{0.05, 1.0}, {0.5, 2.0}}, u);
    ASSERT_TRUE(b.top >= 0 && b.left >= 0 && b.height > 0 && b.width > 0 && b.top + b.height <= 67 && b.left + b.width <= 151);
  }
}

TEST(Tone, NormalizeRefusesAZeroStdAndAnotherSize) {
  const Image image = noise(4, 5);
  OwnPlanes out(4, 5), other(5, 4);
  EXPECT_THROW(normalize(image, kImageNetMean, {0.2, 0, 0.2}, out.planes), Error);
  EXPECT_THROW(normalize(image, kImageNetMean, kImageNetStd, other.planes), Error);
}

}  // namespace
}  // namespace eosin::data
