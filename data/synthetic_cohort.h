#pragma once
// A cohort of synthetic slides with a table, reports, and masks of what was planted.
#include "core/base/config.h"
#include "data/synthetic_slide.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data {

struct CohortConfig {
  struct Run {
    int64_t threads = 0;
    void visit(config::Visitor& v) { v("threads", threads, "CPU threads; 0 = all cores that this process may use", config::Range{0, 4096}); }
  };

  int64_t slides = 8;
  int64_t seed = 0;
  int64_t width_px = 4096;
  int64_t height_px = 3072;
  int64_t centres = 2;
  std::string compression = "jpeg";
  Run run;
  void visit(config::Visitor& v) {
    v("slides", slides, "number of slides", config::Range{1, 1000});
    v("seed", seed, "the same seed gives the same files", config::Range{0, 9.2e18});
    v("width_px", width_px, "width of a slide", config::Range{512, 16384});
    v("height_px", height_px, "height of a slide", config::Range{512, 16384});
    v("centres", centres, "laboratories, each with a stain and a scanner of its own", config::Range{1, 8});
    v("compression", compression, "of the slides' tiles", config::OneOf{{"jpeg", "deflate"}});
    v("run", run, "how it runs");
  }
};

/// A row of cohort.csv, with how its slide is drawn.
struct CohortSlide {
  std::string slide, patient, label, centre, split;  // label: "tumour" or "normal"
  SyntheticSlideSpec spec;
};

/// Decides every slide. Patients have one or two slides; labels and centres alternate by patient, so that neither tells the other; every
/// third patient is in the split "test". Tumour fills most of a tumour slide; every second slide has small lymphoid aggregates, every
/// third a pen mark.
std::vector<CohortSlide> plan_cohort(const CohortConfig& config);

struct CohortFiles {
  int64_t slides = 0;
  std::string cohort, reports;  // paths of cohort.csv and reports.csv
};

/// Writes slides/<slide>.tiff (pyramidal, tiled, with a resolution), masks/<slide>_{tissue,tumour,lymphoid}.png (one pixel for 16 x 16),
/// cohort.csv (slide, patient, label, lymphoid, centre, mpp, path, split; paths are relative to the table) and reports.csv (slide, patient, report).
/// Errors   Io if a file cannot be written.
/// Checked  tests/data/test_synthetic.cpp.
CohortFiles write_cohort(const std::string& folder, const CohortConfig& config);

}  // namespace eosin::data
