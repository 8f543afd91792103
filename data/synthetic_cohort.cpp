#include "data/synthetic_cohort.h"

#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/base/error.h"
#include "core/base/machine.h"
#include "core/base/parallel.h"
#include "core/base/rng.h"
#include "data/png.h"
#include "data/pyramid_tiff.h"

#include <algorithm>
#include <filesystem>

namespace eosin::data {
namespace fs = std::filesystem;
namespace {

enum Layer : uint32_t { kLook = 100, kPlanting = 101 };  // apart from those of a slide's own drawing

struct Ink {
  const char* name;
  std::array<float, 3> passes;
};
constexpr Ink kInks[] = {{"blue", {0.12f, 0.22f, 0.68f}}, {"green", {0.1f, 0.5f, 0.25f}}, {"black", {0.1f, 0.1f, 0.11f}}};

struct Centre {
  StainLook look;
  double mpp = 0.5;
};

/// The first centre looks as the defaults say; the others differ in stain, amounts, glass and scanner.
Centre make_centre(uint64_t seed, int64_t index) {
  Centre c;
  if (index == 0) return c;
  RandomStream random(seed, static_cast<uint64_t>(index), kLook, RandomOp::kSynthetic);
  for (float& v : c.look.haematoxylin) v += random.uniform(-0.06f, 0.06f);
  for (float& v : c.look.eosin) v = std::max(0.03f, v + random.uniform(-0.06f, 0.06f));
  c.look.haematoxylin_amount = random.uniform(0.8f, 1.25f);
  c.look.eosin_amount = random.uniform(0.75f, 1.25f);
  const float brightness = random.uniform(234, 247);
  for (float& v : c.look.glass) v = brightness + random.uniform(-3, 3);
  c.mpp = 0.5 - 0.04 * static_cast<double>(index % 4);
  return c;
}

/// One to three discs of 40 to 70 um, well inside the slide.
std::vector<PlantedRegion> plant_lymphoid(RandomStream& random, const SyntheticSlideSpec& spec) {
  std::vector<PlantedRegion> regions;
  for (uint32_t n = 1 + random.below(3); n > 0; --n)
    regions.push_back({static_cast<double>(spec.width) * random.uniform(0.3f, 0.7f), static_cast<double>(spec.height) * random.uniform(0.3f, 0.7f),
                       random.uniform(40, 70) / spec.mpp});
  return regions;
}

/// A stroke of 60 um from the upper edge towards the lower left corner, across glass and the tissue's rim.
PenMark draw_pen(RandomStream& random, const SyntheticSlideSpec& spec, const Ink& ink) {
  const auto w = static_cast<double>(spec.width), h = static_cast<double>(spec.height);
  const double start = random.uniform(0.3f, 0.5f), end = random.uniform(0.6f, 0.9f), bend = random.uniform(0.1f, 0.22f);
  return {{w * start, h * 0.03}, {w * bend, h * bend}, {w * 0.04, h * end}, 60 / spec.mpp, ink.passes, ink.name};
}

CohortSlide plan_slide_of(const CohortConfig& config, int64_t index) {
  const auto seed = static_cast<uint64_t>(config.seed);
  const int64_t patient = index * 3 / 4;
  const Centre centre = make_centre(seed, patient / 2 % config.centres);
  RandomStream random(seed, static_cast<uint64_t>(index), kPlanting, RandomOp::kSynthetic);
  CohortSlide s;
  s.slide = fmt::format("slide_{:03}", index);
  s.patient = fmt::format("patient_{:03}", patient);
  s.label = patient % 2 == 0 ? "tumour" : "normal";
  s.centre = fmt::format("centre_{}", static_cast<char>('A' + patient / 2 % config.centres));
  s.split = patient % 3 == 2 ? "test" : "train";
  s.spec.seed = seed * 1000003 + static_cast<uint64_t>(index);
  s.spec.width = config.width_px;
  s.spec.height = config.height_px;
  s.spec.mpp = centre.mpp;
  s.spec.look = centre.look;
  s.spec.tumour_share = s.label == "tumour" ? random.uniform(0.62f, 0.85f) : 0;
  if (index % 2 == 1) s.spec.lymphoid = plant_lymphoid(random, s.spec);
  if (index % 3 == 1) s.spec.pen = {draw_pen(random, s.spec, kInks[index / 3 % 3])};
  return s;
}

double area_mm2(const Mask& mask, double mpp) {
  const double cell = mpp * kTruthDownsample * 1e-3;
  return static_cast<double>(std::count(mask.cells.begin(), mask.cells.end(), 1)) * cell * cell;
}

std::string report_of(const CohortSlide& s, const SyntheticSlide& drawn) {
  std::string text = fmt::format("Synthetic section stained with haematoxylin and eosin, {:.1f} mm2 of tissue. ", area_mm2(drawn.tissue, s.spec.mpp));
  if (const double tumour = area_mm2(drawn.tumour, s.spec.mpp); tumour > 0)
    text += fmt::format("Tumour in solid nests with large pleomorphic nuclei covers {:.1f} mm2. ", tumour);
  else
    text += "Regular glands in fibrous stroma; no tumour. ";
  for (const PlantedRegion& r : s.spec.lymphoid)
    text += fmt::format("Lymphoid aggregate, {:.0f} um across, centred at ({:.0f}, {:.0f}). ", 2 * r.radius * s.spec.mpp, r.x, r.y);
  for (const PenMark& p : s.spec.pen) text += fmt::format("A {} pen mark at the upper left. ", p.name);
  text.pop_back();
  return text;
}

/// Draws and writes one slide; returns its report.
std::string write_slide(const fs::path& folder, const CohortSlide& s, const CohortConfig& config) {
  const SyntheticSlide drawn = draw_slide(s.spec);
  PyramidSettings settings;
  settings.mpp = s.spec.mpp;
  settings.compression = config.compression == "jpeg" ? TiffCompression::kJpeg : TiffCompression::kDeflate;
  settings.description = "eosin demo: synthetic tissue, not of any person";
  write_pyramid_tiff((folder / "slides" / (s.slide + ".tiff")).string(), drawn.image, settings);
  write_mask_png((folder / "masks" / (s.slide + "_tissue.png")).string(), drawn.tissue);
  if (drawn.tumour.any()) write_mask_png((folder / "masks" / (s.slide + "_tumour.png")).string(), drawn.tumour);
  if (drawn.lymphoid.any()) write_mask_png((folder / "masks" / (s.slide + "_lymphoid.png")).string(), drawn.lymphoid);
  return report_of(s, drawn);
}

std::string cohort_table(const std::vector<CohortSlide>& slides) {
  std::string text = csv_line({"slide", "patient", "label", "lymphoid", "centre", "mpp", "path", "split"});
  for (const CohortSlide& s : slides)
    text += csv_line({s.slide, s.patient, s.label, s.spec.lymphoid.empty() ? "0" : "1", s.centre, fmt::format("{}", s.spec.mpp),
                      "slides/" + s.slide + ".tiff", s.split});
  return text;
}

}  // namespace

std::vector<CohortSlide> plan_cohort(const CohortConfig& config) {
  std::vector<CohortSlide> slides;
  for (int64_t i = 0; i < config.slides; ++i) slides.push_back(plan_slide_of(config, i));
  return slides;
}

CohortFiles write_cohort(const std::string& folder, const CohortConfig& config) {
  const fs::path root = folder;
  std::error_code ec;
  for (const char* below : {"slides", "masks"}) {
    fs::create_directories(root / below, ec);
    EOSIN_CHECK(!ec, Io, "[demo] cannot make the folder '{}': {}", (root / below).string(), ec.message());
  }
  const auto slides = plan_cohort(config);
  std::vector<std::string> reports(slides.size());
  const int64_t threads = used_threads(config.run.threads);
  parallel_for(slides.size(), threads, [&](size_t i) { reports[i] = write_slide(root, slides[i], config); });
  std::string report_table = csv_line({"slide", "patient", "report"});
  for (size_t i = 0; i < slides.size(); ++i) report_table += csv_line({slides[i].slide, slides[i].patient, reports[i]});
  write_file((root / "cohort.csv").string(), cohort_table(slides));
  write_file((root / "reports.csv").string(), report_table);
  return {static_cast<int64_t>(slides.size()), (root / "cohort.csv").string(), (root / "reports.csv").string()};
}

}  // namespace eosin::data
