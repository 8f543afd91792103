#pragma once
// What the pictures and lists of tiles after `eosin mil` share: the run's scored bags, the slides that they are made of, and where results go.
#include "apps/mil_tiles.h"
#include "apps/slide_pixels.h"
#include "eval/heatmap.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace eosin::apps {

/// A slide, and which rows of its bag are its tiles.
struct SlideOfBag {
  data::BagSlide slide;
  int64_t first = 0;

  bool has_places() const { return slide.coords_N2.defined(); }
  /// Of files about it: that of its features, without the ending.
  std::string file_name() const;
  /// Micrometres a level-0 pixel; 0: unknown.
  double mpp() const;
  /// Its rows of a value for every tile of the bag.
  std::vector<double> part_of(const Tensor& values_N) const;
  /// Its tiles with these scores of the bag's. Needs places.
  eval::ScoredTiles tiles(const Tensor& scores_N) const;
};

/// Pictures for the report, no larger than a page shows them, with their captions.
class ReportPictures {
 public:
  explicit ReportPictures(std::string folder) : folder_(std::move(folder)) {}
  void add(const std::string& name, const data::Image& image, const std::string& caption);
  /// Of all that were added.
  void write_captions() const;

 private:
  std::string folder_;
  nlohmann::ordered_json captions_ = nlohmann::ordered_json::object();
};

struct Looks {
  const MilConfig& config;
  const MilInputs& inputs;
  const std::vector<ScoredBag>& bags;
  std::string run_dir;
  std::optional<int64_t> wanted_class;  // heatmaps.class
  SlidePixels pixels;
  ReportPictures pictures;
  std::vector<std::string> notes;

  bool has_classes() const { return inputs.outcomes.n_classes > 0; }
  /// Classes, the first of the targets, or the risk alone.
  int64_t n_answers() const;
  std::string answer_name(int64_t c) const;
  const std::string& id(const ScoredBag& bag) const { return inputs.set.ids[static_cast<size_t>(bag.bag)]; }
  /// Whose scores are shown.
  int64_t shown_class(const ScoredBag& bag) const { return wanted_class.value_or(bag.predicted); }
  /// Reads the files of the bag's slides again.
  std::vector<SlideOfBag> slides(const ScoredBag& bag) const;
  /// Level 0: what the slide's file says, else its features, else as far as its tiles go.
  data::Size size(const SlideOfBag& slide, const eval::ScoredTiles& tiles);
  /// Bags by their answer c, the highest first.
  std::vector<const ScoredBag*> by_answer(int64_t c) const;
};

/// Whether what `heatmaps` names is there, so that it is not missed after hours of training.
///
/// Errors   Config: a class or a slide that the cohort does not have (names the nearest); files as data::list_slides; no slide with a mask.
void check_looks(const MilConfig& config, const MilInputs& inputs);

/// Writes, below the run folder, what the keys `heatmaps` ask for. Returns what results.json says of it: heatmaps, top_tiles, localization (each
/// only if there is one), and notes on what could not be shown.
///
/// Errors   Data: a mask that is no picture; Io.
/// Checked  tests/system/test_mil.cpp.
nlohmann::ordered_json look_at_tiles(const MilConfig& config, const MilInputs& inputs, const std::vector<ScoredBag>& bags,
                                     const std::string& run_dir);

}  // namespace eosin::apps
