// The stain methods: linear algebra against its definition, fits of planted stains, changes of colour against their double or u8 forms.
#include "core/base/error.h"
#include "data/percentile.h"
#include "data/stain_macenko.h"
#include "data/stain_randstainna.h"
#include "data/stain_reinhard.h"
#include "data/stain_sample.h"
#include "data/stain_vahadane.h"
#include "data/tone.h"
#include "tests/data/stain_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace eosin::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Matrix3, EigenvectorsAreWhatTheyAreCalled) {
  RandomStream s(3, 0, 0, RandomOp::kSynthetic);
  for (int k = 0; k < 50; ++k) {
    Matrix3 m;
    for (size_t r = 0; r < 3; ++r)
      for (size_t c = 0; c <= r; ++c) m[r][c] = m[c][r] = static_cast<double>(s.normal()) * (k % 5 == 0 && r != c ? 0 : 1);
    const Eigen3 e = symmetric_eigen(m);
    EXPECT_LE(e.values[0], e.values[1]);
    EXPECT_LE(e.values[1], e.values[2]);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(length(e.vectors[i]), 1, 1e-12);
      for (size_t r = 0; r < 3; ++r) EXPECT_NEAR(dot(m[r], e.vectors[i]), e.values[i] * e.vectors[i][r], 1e-12);
    }
  }
}

TEST(Matrix3, InverseTimesMatrixIsOne) {
  const Matrix3 m = {{{0.65, 0.70, 0.29}, {0.07, 0.99, 0.11}, {0.27, 0.57, 0.78}}}, n = inverse(m);
  for (size_t r = 0; r < 3; ++r)
    for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(n[r][0] * m[0][c] + n[r][1] * m[1][c] + n[r][2] * m[2][c], r == c ? 1 : 0, 1e-14);
}

TEST(Percentile, IsNumpys) {
  const auto of = [](std::vector<float> v, double p) { return percentile(v, p); };
  EXPECT_DOUBLE_EQ(of({7}, 33), 7);
  EXPECT_DOUBLE_EQ(of({3, 1, 2, 4}, 50), 2.5);
  EXPECT_DOUBLE_EQ(of({3, 1, 2, 4}, 0), 1);
  EXPECT_DOUBLE_EQ(of({3, 1, 2, 4}, 100), 4);
  EXPECT_NEAR(of({5, 3, 1, 2, 4}, 99), 4.96, 1e-12);
}

TEST(Macenko, FindsPlantedStains) {
  const StainVectors planted = test_stains();
  const auto found = macenko_fit(stained_picture(61, 83, planted), {});
  ASSERT_TRUE(found);
  for (size_t s = 0; s < 2; ++s) EXPECT_GT(dot(found->column(s), planted.column(s)), 0.995) << s;
  EXPECT_GT(found->max_c[0], found->max_c[1]);
}

TEST(Macenko, TwiceTheStainHasTwiceTheAmount) {
  const MacenkoRule rule;
  const Image weak = stained_picture(61, 83, test_stains(), 0.5), strong = stained_picture(61, 83, test_stains(), 1.0);
  const auto from = macenko_fit(weak, rule), to = macenko_fit(strong, rule);
  Image out;
  apply(macenko_map(*from, *to, rule.io), weak, out);
  const auto again = macenko_fit(out, rule);
  ASSERT_TRUE(again);
  for (size_t s = 0; s < 2; ++s) {
    EXPECT_NEAR(again->max_c[s], to->max_c[s], 0.05 * to->max_c[s]) << s;
    EXPECT_GT(dot(again->column(s), to->column(s)), 0.999) << s;
  }
}

TEST(Macenko, ToItsOwnStainsAPictureHardlyChanges) {
  const Image image = stained_picture(61, 83, test_stains());
  const auto own = macenko_fit(image, {});
  Image out;
  apply(macenko_map(*own, *own, 240), image, out);
  EXPECT_LE(level_distance(image, out).mean, 1.0);  // what lies off the plane, and the cut to integers
}

TEST(Macenko, UncentredFindsThePlaneThroughZero) {
  const auto found = macenko_fit(stained_picture(61, 83, test_stains()), {.alpha = 5, .percentile = 95, .centred = false});
  ASSERT_TRUE(found);
  for (size_t s = 0; s < 2; ++s) EXPECT_GT(dot(found->column(s), test_stains().column(s)), 0.995) << s;
}

TEST(Macenko, GlassAndASingleColourAreFaults) {
  EXPECT_EQ(macenko_fit(flat_picture(31, 37, {243, 244, 245}), {}).fault(), StainFault::kTooLittleTissue);
  EXPECT_EQ(macenko_fit(Image(), {}).fault(), StainFault::kTooLittleTissue);
  EXPECT_EQ(macenko_fit(flat_picture(31, 37, {120, 60, 130}), {}).fault(), StainFault::kDegenerateStains);
  const auto white = macenko_fit(flat_picture(31, 37, {255, 255, 255}), {});
  EXPECT_FALSE(white);
  EXPECT_THAT(message_of([&] { white.value(); }, ErrorKind::Data), HasSubstr("too_little_tissue"));
}

TEST(Macenko, OneStainAloneIsAFaultOrKeepsFiniteColours) {
  Image image(41, 43);
  RandomStream s(5, 0, 0, RandomOp::kSynthetic);
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    const double amount = 0.4 + s.uniform_double();
    for (size_t c = 0; c < 3; ++c) image.rgb[i + c] = static_cast<uint8_t>(240 * std::exp(-amount * test_stains().column(0)[c]));
  }
  const auto fit = macenko_fit(image, {});
  if (fit) {
    for (const double v : fit->max_c) EXPECT_TRUE(std::isfinite(v) && v > 0);
  } else {
    EXPECT_EQ(fit.fault(), StainFault::kDegenerateStains);
  }
}

TEST(Macenko, ViewsOfACropAreReadWithTheirStride) {
  const Image image = stained_picture(67, 71, test_stains());
  const ImageView crop = ImageView(image).crop({5, 7, 41, 43});
  Image copy(41, 43);
  for (int64_t y = 0; y < 41; ++y) std::copy_n(crop.row(y), 3 * 43, copy.row(y));
  const auto a = macenko_fit(crop, {}), b = macenko_fit(copy, {});
  EXPECT_EQ(a->h, b->h);
  EXPECT_EQ(a->max_c, b->max_c);
  Image out_a, out_b;
  apply(macenko_jitter_map(*a, 240, {{1.1, 0.9}, {0.05, -0.1}}), crop, out_a);
  apply(macenko_jitter_map(*b, 240, {{1.1, 0.9}, {0.05, -0.1}}), copy, out_b);
  EXPECT_EQ(out_a.rgb, out_b.rgb);
}

TEST(DensityMap, PlanesFollowTheBytes) {
  const Image image = stained_picture(29, 31, test_stains());
  const DensityMap map = macenko_jitter_map(*macenko_vectors(image, {}), 240, {{1.2, 0.8}, {-0.1, 0.1}});
  Image bytes;
  apply(map, image, bytes);
  std::vector<float> memory(image.rgb.size());
  const Planes planes{memory.data(), 29, 31};
  to_planes(image, planes);
  apply(map, planes);
  for (int64_t i = 0; i < planes.size(); ++i)
    for (int64_t c = 0; c < 3; ++c) {
      const double level = 255 * static_cast<double>(planes.plane(c)[i]), cut = bytes.rgb[static_cast<size_t>(3 * i + c)];
      ASSERT_TRUE(level > cut - 0.01 && level < cut + 1.01) << i << " " << level << " " << cut;
    }
}

TEST(Reinhard, TheResultHasTheTargetsStatistics) {
  const Image image = stained_picture(61, 83, test_stains(), 0.6, 2), target = stained_picture(47, 53, test_stains(), 0.8, 3);
  const auto from = reinhard_fit(image), to = reinhard_fit(target);
  Image out;
  apply(reinhard_map(*from, *to, false), image, out);
  const auto got = reinhard_fit(out);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(got->mean[c], to->mean[c], 0.8) << c;  // cut to integers, and clipped at white
    EXPECT_NEAR(got->std[c], to->std[c], 1.5) << c;
  }
}

TEST(Reinhard, ASingleColourIsAFault) {
  EXPECT_EQ(reinhard_fit(flat_picture(31, 37, {120, 60, 130})).fault(), StainFault::kDegenerateStains);
  EXPECT_EQ(reinhard_fit(Image()).fault(), StainFault::kTooLittleTissue);
}

std::vector<Triple> densities_of(const Image& image) {
  std::vector<Triple> out;
  for (size_t i = 0; i < image.rgb.size(); i += 3) out.push_back(vahadane_density(&image.rgb[i]));
  return out;
}

TEST(Vahadane, DictionaryIsNotNegativeOfUnitRowsAndItsObjectiveFalls) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const auto learnt = learn_stains(densities_of(stained_picture(41, 43, test_stains(), 1, seed)), 0.1);
    ASSERT_TRUE(learnt);
    for (const Triple& row : learnt->rows) {
      EXPECT_NEAR(length(row), 1, 1e-12);
      for (const double v : row) EXPECT_GE(v, 0);
    }
    EXPECT_GT(learnt->rows[0][0], learnt->rows[1][0]);
    ASSERT_GT(learnt->objective.size(), 2u);
    for (size_t k = 1; k < learnt->objective.size(); ++k) EXPECT_LE(learnt->objective[k], learnt->objective[k - 1] * (1 + 1e-12)) << k;
    EXPECT_LT(learnt->objective.back(), 0.9 * learnt->objective.front());
  }
}

TEST(Vahadane, FindsPlantedStains) {
  const auto found = vahadane_fit(stained_picture(61, 83, test_stains()), {});
  ASSERT_TRUE(found);
  for (size_t s = 0; s < 2; ++s) EXPECT_GT(dot(found->column(s), test_stains().column(s)), 0.98) << s;
}

TEST(Vahadane, AmountsAreTheBestOfAGrid) {
  const std::array<Triple, 2> rows = {test_stains().column(0), test_stains().column(1)};
  RandomStream s(7, 0, 0, RandomOp::kSynthetic);
  for (int k = 0; k < 60; ++k) {
    const Triple density = {2 * s.uniform_double(), 2 * s.uniform_double(), 2 * s.uniform_double()};
    const StainAmounts best = vahadane_amounts(density, rows, 0.1);
    for (double a = 0; a < 3; a += 0.1)
      for (double b = 0; b < 3; b += 0.1) {
        double objective = 0.1 * (a + b);
        for (size_t c = 0; c < 3; ++c) objective += 0.5 * std::pow(density[c] - a * rows[0][c] - b * rows[1][c], 2);
        ASSERT_LE(best.objective, objective + 1e-12);
      }
  }
}

TEST(Vahadane, ApplyFollowsTheAmountsOfEveryPixel) {
  const Image image = stained_picture(41, 43, test_stains(), 0.7, 4);
  const auto from = vahadane_fit(image, {}), to = vahadane_fit(stained_picture(41, 43, test_stains(), 1.0, 5), {});
  Image out;
  vahadane_apply(*from, *to, 0.01, image, out);
  const std::array<Triple, 2> rows = {unit(from->column(0)), unit(from->column(1))};
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    const StainAmounts a = vahadane_amounts(vahadane_density(&image.rgb[i]), rows, 0.01);
    for (size_t c = 0; c < 3; ++c) {
      double density = 0;
      for (size_t s = 0; s < 2; ++s) density += a.c[s] * to->max_c[s] / from->max_c[s] * to->column(s)[c];
      ASSERT_NEAR(out.rgb[i + c] + 0.5, 255 * std::exp(-density), 0.51);
    }
  }
}

TEST(Vahadane, GlassAndASingleStainAreFaults) {
  EXPECT_EQ(vahadane_fit(flat_picture(31, 37, {243, 244, 245}), {}).fault(), StainFault::kTooLittleTissue);
  EXPECT_EQ(vahadane_fit(Image(), {}).fault(), StainFault::kTooLittleTissue);
  EXPECT_EQ(vahadane_fit(flat_picture(31, 37, {255, 40, 255}), {}).fault(), StainFault::kDegenerateStains);
}

TEST(RandStainNa, TheResultHasTheTargetsStatistics) {
  Image image = stained_picture(61, 83, test_stains(), 0.6, 2);
  const ColorStatistics before = color_statistics(image, ColorSpace::kLab);
  ColorStatistics target = before;
  target.mean[0] -= 12, target.mean[1] += 6, target.std[0] *= 0.8;
  randstainna(image, target);
  const ColorStatistics after = color_statistics(image, ColorSpace::kLab);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(after.mean[c], target.mean[c], 1.5) << c;
    EXPECT_NEAR(after.std[c], target.std[c], 1.5) << c;
  }
}

TEST(RandStainNa, EverySpaceTakesAnyPictureAndAnyDraw) {
  for (const char* space : {"LAB", "HSV", "HED"}) {
    ColorCohort cohort;
    cohort.space = space;
    RandomStream s(1, 2, 3, RandomOp::kStain);
    for (Image image : {stained_picture(13, 17, test_stains()), flat_picture(13, 17, {255, 255, 255}), flat_picture(1, 1, {0, 0, 0}), Image()}) {
      const auto size = image.rgb.size();
      randstainna(image, draw_statistics(cohort, s));
      EXPECT_EQ(image.rgb.size(), size);
    }
  }
  EXPECT_THAT(message_of([] { color_space_by_name("lab"); }, ErrorKind::Config), HasSubstr("LAB"));
}

TEST(RandStainNa, CohortIsMeanAndDeviationOverPictures) {
  const ColorStatistics a{ColorSpace::kHsv, {1, 2, 3}, {4, 5, 6}}, b{ColorSpace::kHsv, {3, 2, 5}, {8, 5, 6}};
  const ColorCohort cohort = cohort_of({a, b});
  EXPECT_EQ(cohort.space, "HSV");
  EXPECT_THAT(cohort.mean, ElementsAre(2, 2, 4));
  EXPECT_THAT(cohort.mean_std, ElementsAre(1, 0, 1));
  EXPECT_THAT(cohort.std, ElementsAre(6, 5, 6));
  EXPECT_THAT(cohort.std_std, ElementsAre(2, 0, 0));
}

TEST(StainSample, IsSpreadEvenlyAndHoldsTissueOnly) {
  EXPECT_THAT(spread_indices(10, 3), ElementsAre(1, 5, 8));
  EXPECT_THAT(spread_indices(2, 3), ElementsAre(0, 1));
  EXPECT_TRUE(spread_indices(0, 3).empty());
  Image image = flat_picture(10, 10, {240, 240, 240});
  for (const int64_t i : {3, 40, 77}) image.rgb[static_cast<size_t>(3 * i + 1)] = 100;
  const Image tissue = tissue_pixels(image, 2);
  EXPECT_EQ(tissue.width, 2);
  EXPECT_EQ(tissue.rgb[1], 100);
  PixelPool pool(4, 8);
  pool.add(image), pool.add(flat_picture(3, 3, {255, 255, 255}));
  EXPECT_EQ(pool.pixels().width, 2);
  Image thinned;
  thin(stained_picture(20, 30, test_stains()), 70, thinned);
  EXPECT_EQ(thinned.height * thinned.width, 70);
}

}  // namespace
}  // namespace eosin::data
