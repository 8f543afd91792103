#include "core/base/error.h"
#include "core/base/rng.h"
#include "data/png.h"
#include "data/tissue_absorbance.h"
#include "data/tissue_clam.h"
#include "data/tissue_given.h"
#include "tests/data/slide_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>
#include <opencv2/imgproc.hpp>

namespace eosin::data {
namespace {

using testing::HasSubstr;

/// Random blobs: saturated discs and holes on white.
Image blobs(uint64_t seed, int64_t height, int64_t width) {
  RandomStream random(seed, 0, 0, RandomOp::kSynthetic);
  Image image = plain(height, width, 255);
  for (int k = 0; k < 60; ++k) {
    const auto cx = static_cast<int64_t>(random.below(static_cast<uint32_t>(width))),
               cy = static_cast<int64_t>(random.below(static_cast<uint32_t>(height)));
    const int64_t r = 1 + random.below(14);
    const bool hole = k % 3 == 2;
    for (int64_t y = std::max<int64_t>(0, cy - r); y < std::min(height, cy + r); ++y)
      for (int64_t x = std::max<int64_t>(0, cx - r); x < std::min(width, cx + r); ++x)
        if ((x - cx) * (x - cx) + (y - cy) * (y - cy) < r * r) {
          image.row(y)[3 * x] = hole ? 255 : 180;
          image.row(y)[3 * x + 1] = hole ? 255 : 80;
          image.row(y)[3 * x + 2] = hole ? 255 : 160;
        }
  }
  return image;
}

/// The rule of the masks, by OpenCV's point test on every pixel.
Mask by_point_test(const Mask& binary, const ClamConfig& config, double unit) {
  cv::Mat m(static_cast<int>(binary.height), static_cast<int>(binary.width), CV_8UC1, const_cast<uint8_t*>(binary.cells.data()));
  std::vector<std::vector<cv::Point>> contours;
  std::vector<cv::Vec4i> tree;
  cv::findContours(m, contours, tree, cv::RETR_CCOMP, cv::CHAIN_APPROX_NONE);
  Mask mask(binary.height, binary.width);
  for (size_t i = 0; i < contours.size(); ++i) {
    if (tree[i][3] >= 0) continue;
    std::vector<size_t> holes;
    double net = cv::contourArea(contours[i]);
    for (size_t h = 0; h < contours.size(); ++h)
      if (tree[h][3] == static_cast<int>(i)) {
        net -= cv::contourArea(contours[h]);
        holes.push_back(h);
      }
    if (net == 0 || !(net > config.a_t * unit)) continue;
    std::erase_if(holes, [&](size_t h) { return !(cv::contourArea(contours[h]) > config.a_h * unit); });
    for (int y = 0; y < m.rows; ++y)
      for (int x = 0; x < m.cols; ++x) {
        const cv::Point2f p(static_cast<float>(x), static_cast<float>(y));
        bool inside = cv::pointPolygonTest(contours[i], p, false) >= 0;
        for (size_t h : holes) inside = inside && cv::pointPolygonTest(contours[h], p, false) <= 0;
        if (inside) mask.row(y)[x] = 1;
      }
  }
  return mask;
}

TEST(ClamTissue, MaskFollowsThePointTest) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    ClamConfig config;
    config.mthresh = seed % 2 == 0 ? 1 : 3;
    config.close = static_cast<int64_t>(seed % 4);
    config.a_t = 0.001;
    config.a_h = 0.0005;
    config.max_n_holes = 1000;
    const Tissue got = clam_tissue(blobs(seed, 61, 73), config, 8, 8);
    EXPECT_GT(got.n_regions, 0);
    EXPECT_EQ(got.mask.cells, by_point_test(got.binary, config, 4096).cells) << seed;
  }
}

TEST(ClamTissue, EvenClosingMovesTheMaskAsClamDoes) {
  Image image = plain(23, 29, 255);
  image.row(5)[3 * 5 + 1] = 0;
  ClamConfig config;
  config.mthresh = 1;
  const Tissue got = clam_tissue(image, config, 1, 1);
  Mask want(23, 29);
  want.row(6)[6] = 1;
  EXPECT_EQ(got.binary.cells, want.cells);
}

TEST(ClamTissue, EmptyPictureHasNoTissue) {
  const Tissue got = clam_tissue(plain(31, 37, 240), ClamConfig{}, 64, 64);
  EXPECT_EQ(got.n_regions, 0);
  EXPECT_FALSE(got.mask.any());
  EXPECT_FALSE(hsv_otsu_tissue(plain(31, 37, 240), HsvOtsuConfig{}).mask.any());
}

TEST(ClamTissue, PresetsAreClams) {
  const ClamConfig tcga = ClamConfig::tcga(), biopsy = ClamConfig::bwh_biopsy(), resection = ClamConfig::bwh_resection();
  EXPECT_EQ(std::tuple(tcga.sthresh, tcga.mthresh, tcga.close, tcga.a_t, tcga.a_h, tcga.max_n_holes), std::tuple(8, 7, 4, 16.0, 4.0, 8));
  EXPECT_EQ(std::tuple(biopsy.sthresh, biopsy.mthresh, biopsy.close, biopsy.a_t, biopsy.a_h, biopsy.max_n_holes), std::tuple(15, 11, 2, 1.0, 1.0, 2));
  EXPECT_EQ(std::tuple(resection.sthresh, resection.mthresh, resection.close, resection.a_t, resection.a_h, resection.max_n_holes),
            std::tuple(15, 11, 4, 100.0, 16.0, 8));
}

TEST(AbsorbanceTissue, FindsTissueAndLeavesOutPens) {
  const std::array<std::array<float, 3>, 3> inks = {{{0.12f, 0.22f, 0.68f}, {0.1f, 0.5f, 0.25f}, {0.1f, 0.1f, 0.11f}}};
  for (uint64_t seed = 0; seed < 3; ++seed) {
    SyntheticSlideSpec spec = small_spec(seed, 2048, 1536);
    const SyntheticSlide clean = draw_slide(spec);
    spec.pen = {{{100, 60}, {60, 60}, {60, 1400}, 80, inks[seed], "ink"}};
    const Image overview = box_downsample(draw_slide(spec).image, kTruthDownsample);
    const Tissue got = absorbance_tissue(overview, AbsorbanceConfig{}, spec.mpp * kTruthDownsample);
    EXPECT_GT(mask_iou(got.mask, clean.tissue), 0.9) << seed;
    for (int64_t v = 10; v < 80; ++v) EXPECT_EQ(got.mask.row(v)[4], 0) << "ink " << seed << " row " << v;
  }
}

TEST(AbsorbanceTissue, GlassOfAnyTintIsEmpty) {
  for (const auto& glass : {std::array{255, 255, 255}, std::array{230, 225, 235}, std::array{240, 240, 225}}) {
    Image image(97, 89);
    RandomStream random(1, 0, 0, RandomOp::kSynthetic);
    for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(glass[i % 3] - static_cast<int>(random.below(6)));
    EXPECT_FALSE(absorbance_tissue(image, AbsorbanceConfig{}, 8).mask.any());
  }
}

TEST(TissueMethods, EvenKernelsAreRefused) {
  EXPECT_THROW(
      {
        config::Source source;
        source.override_with("method.name=clam");
        source.override_with("method.mthresh=6");
        TissueConfig config;
        config::read(source, config);
      },
      Error);
}

TEST(TissueMethods, EvenMediansAndEmptyPicturesAreOurErrors) {
  const auto kind_of = [](const auto& f) {
    try {
      f();
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::Internal;
  };
  for (const int64_t median : {4, 0, -3, 257}) {
    ClamConfig clam;
    HsvOtsuConfig otsu;
    clam.mthresh = otsu.mthresh = median;
    EXPECT_EQ(kind_of([&] { clam_tissue(plain(11, 13, 200), clam, 1, 1); }), ErrorKind::Config) << median;
    EXPECT_EQ(kind_of([&] { hsv_otsu_tissue(plain(11, 13, 200), otsu); }), ErrorKind::Config) << median;
  }
  for (const Image& empty : {Image(0, 5), Image(5, 0)}) {
    EXPECT_EQ(kind_of([&] { clam_tissue(empty, {}, 1, 1); }), ErrorKind::Shape);
    EXPECT_EQ(kind_of([&] { hsv_otsu_tissue(empty, {}); }), ErrorKind::Shape);
  }
}

TEST(TissueMethods, GivenMaskIsRead) {
  const TemporaryFolder folder;
  const auto slide = open_slide(write_slide(folder / "s1.tiff", plain(600, 800, 230), 0.5));
  Mask mask(75, 100);
  mask.row(40)[63] = 1;
  write_mask_png(folder / "s1.png", mask);
  const GivenMaskConfig config{folder.path().string()};
  EXPECT_EQ(segment_given(config, {*slide, "s1", 0.5}).mask.cells, mask.cells);
  EXPECT_THROW(segment_given(config, {*slide, "s2", 0.5}), Error);
  write_mask_png(folder / "s3.png", Mask(100, 75));
  try {
    segment_given(config, {*slide, "s3", 0.5});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data);
    EXPECT_THAT(e.what(), HasSubstr("not a mask of the whole slide"));
  }
}

TEST(TissueMethods, AnyValueOfAGivenMaskIsTissue) {
  const TemporaryFolder folder;
  Mask mask(30, 40);
  mask.row(17)[23] = 1;
  const auto write = [&](png_uint_32 format, auto values) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.height = 30, image.width = 40, image.format = format;
    EXPECT_TRUE(png_image_write_to_file(&image, (folder / "a.png").c_str(), 0, values.data(), 0, nullptr));
    return folder / "a.png";
  };
  std::vector<uint16_t> labels(mask.cells.begin(), mask.cells.end());  // small numbers in 16 bits, as programs that count regions write them
  EXPECT_EQ(read_mask_png(write(PNG_FORMAT_LINEAR_Y, labels)).cells, mask.cells);
  std::vector<uint8_t> blue(3 * mask.cells.size());
  for (size_t i = 0; i < mask.cells.size(); ++i) blue[3 * i + 2] = mask.cells[i];
  EXPECT_EQ(read_mask_png(write(PNG_FORMAT_RGB, blue)).cells, mask.cells);
  EXPECT_EQ(read_mask_png(write(PNG_FORMAT_GRAY, mask.cells)).cells, mask.cells);
}

TEST(DarkBackground, LooksAtTheRim) {
  Image image = plain(41, 43, 240);
  EXPECT_FALSE(has_dark_background(image));
  for (int64_t y = 1; y < 40; ++y) std::fill_n(image.row(y) + 3, 3 * 41, uint8_t{5});
  EXPECT_FALSE(has_dark_background(image));
  EXPECT_TRUE(has_dark_background(plain(41, 43, 3)));
}

}  // namespace
}  // namespace eosin::data
