#include "core/base/csv.h"
#include "data/png.h"
#include "data/slide_list.h"
#include "data/slide_plan.h"
#include "data/synthetic_cohort.h"
#include "tests/data/slide_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::data {
namespace {

using testing::HasSubstr;

CohortConfig small_cohort() {
  CohortConfig config;
  config.slides = 4;
  config.width_px = 1024;
  config.height_px = 768;
  return config;
}

TEST(SyntheticSlide, IsAFunctionOfItsSpecification) {
  const SyntheticSlideSpec spec = small_spec(5, 700, 500);
  EXPECT_EQ(draw_slide(spec).image.rgb, draw_slide(spec).image.rgb);
  SyntheticSlideSpec other = spec;
  other.seed = 6;
  EXPECT_NE(draw_slide(other).image.rgb, draw_slide(spec).image.rgb);
}

/// Mean absolute difference of neighbours in grey, over the cells of a mask: how busy a texture is.
double busyness(const SyntheticSlide& slide, const Mask& where) {
  double sum = 0;
  int64_t n = 0;
  for (int64_t y = 0; y < slide.image.height; ++y)
    for (int64_t x = 1; x < slide.image.width; ++x)
      if (where.row(y / kTruthDownsample)[x / kTruthDownsample]) {
        sum += std::abs(slide.image.row(y)[3 * x] - slide.image.row(y)[3 * x - 3]);
        ++n;
      }
  return n ? sum / static_cast<double>(n) : 0;
}

TEST(SyntheticSlide, ClassesDifferInTexture) {
  SyntheticSlideSpec spec = small_spec(4, 1400, 1100);
  spec.tumour_share = 0.45;
  spec.lymphoid = {{700, 550, 120}};
  const SyntheticSlide slide = draw_slide(spec);
  Mask stroma = slide.tissue;
  for (size_t i = 0; i < stroma.cells.size(); ++i) stroma.cells[i] = stroma.cells[i] && !slide.tumour.cells[i] && !slide.lymphoid.cells[i];
  ASSERT_TRUE(stroma.any() && slide.tumour.any() && slide.lymphoid.any());
  EXPECT_GT(busyness(slide, slide.tumour), 1.5 * busyness(slide, stroma));
  EXPECT_GT(busyness(slide, slide.lymphoid), 1.5 * busyness(slide, slide.tumour));
}

TEST(SyntheticCohort, SameSeedSameFilesForAnyThreads) {
  const TemporaryFolder folder;
  CohortConfig config = small_cohort();
  config.run.threads = 1;
  write_cohort(folder / "a", config);
  config.run.threads = 3;
  write_cohort(folder / "b", config);
  for (const char* name : {"cohort.csv", "reports.csv", "slides/slide_000.tiff", "slides/slide_003.tiff", "masks/slide_001_lymphoid.png"})
    EXPECT_EQ(read_file(folder / "a/" + name), read_file(folder / "b/" + name)) << name;
}

TEST(SyntheticCohort, TablesSayWhatWasPlanted) {
  const TemporaryFolder folder;
  const CohortFiles files = write_cohort(folder / "c", small_cohort());
  const auto plan = plan_cohort(small_cohort());
  const CsvTable cohort = CsvTable::read(files.cohort), reports = CsvTable::read(files.reports);
  ASSERT_EQ(cohort.size(), 4u);
  const auto entries = list_slides({files.cohort});
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(cohort.row(i)[cohort.column("label")], plan[i].label);
    const std::string report = reports.row(i)[reports.column("report")];
    EXPECT_THAT(report, HasSubstr(plan[i].label == "tumour" ? "Tumour in solid nests" : "no tumour"));
    EXPECT_EQ(report.find("Lymphoid aggregate") != std::string::npos, !plan[i].spec.lymphoid.empty());
    EXPECT_EQ(report.find("pen mark") != std::string::npos, !plan[i].spec.pen.empty());
    EXPECT_EQ(std::filesystem::exists(folder / "c/masks/" + plan[i].slide + "_lymphoid.png"), !plan[i].spec.lymphoid.empty());
    const auto slide = open_slide(entries[i].path);
    EXPECT_EQ(slide->info().dimensions.size(), 3u);
    EXPECT_NEAR(resolve_scale(slide->info()).mpp, plan[i].spec.mpp, 1e-6);  // the slide says it too, not only the table
  }
}

TEST(SyntheticCohort, LabelsAndCentresDoNotTellEachOther) {
  CohortConfig config;
  config.slides = 24;
  std::map<std::pair<std::string, std::string>, int> counts;
  std::map<std::string, std::pair<std::string, std::string>> patients;
  for (const CohortSlide& s : plan_cohort(config)) {
    ++counts[{s.label, s.centre}];
    const auto [it, is_new] = patients.emplace(s.patient, std::pair(s.label, s.split));
    if (!is_new) EXPECT_EQ(it->second, std::pair(s.label, s.split)) << "a patient has one label and one split";
  }
  EXPECT_EQ(counts.size(), 4u);
  for (const auto& [key, n] : counts) EXPECT_GE(n, 4) << key.first << " " << key.second;
}

TEST(SyntheticCohort, TheTissueIsFoundAndThePenIsNot) {
  const TemporaryFolder folder;
  CohortConfig cohort = small_cohort();
  cohort.slides = 2;
  cohort.width_px = 2048;
  cohort.height_px = 1536;
  for (const SlideEntry& entry : list_slides({write_cohort(folder / "c", cohort).cohort})) {
    TileConfig config;
    config.tile.size_px = 64;
    const SlidePlan plan = plan_slide(entry, config);
    const Mask truth = read_mask_png(folder / "c/masks/" + entry.id + "_tissue.png");
    int64_t on_tissue = 0;
    for (const GridTile& t : plan.grid.tiles) {
      const int64_t v = std::min(truth.height - 1, (t.y + 32) / kTruthDownsample), u = std::min(truth.width - 1, (t.x + 32) / kTruthDownsample);
      bool near = false;
      for (int64_t dv = -3; dv <= 3; ++dv)
        for (int64_t du = -3; du <= 3; ++du) {
          const int64_t r = v + dv, c = u + du;
          near = near || (r >= 0 && c >= 0 && r < truth.height && c < truth.width && truth.row(r)[c]);
        }
      on_tissue += near;
    }
    EXPECT_GT(plan.grid.tiles.size(), 100u);
    EXPECT_GE(static_cast<double>(on_tissue), 0.99 * static_cast<double>(plan.grid.tiles.size())) << entry.id;
  }
}

}  // namespace
}  // namespace eosin::data
