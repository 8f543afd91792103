#pragma once
// Augmentation recipes by name: the values that the released code of each method really runs (data.md 7.3), each of them a key.
#include <optional>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "data/view.h"

namespace eosin::data {

/// Two groups of crops of one tile. A preset is this struct with other defaults.
struct MultiCropConfig {
  int64_t n_global = 2;
  std::optional<int64_t> global_size_px;
  std::vector<double> global = {0.32, 1.0};
  std::optional<int64_t> undistorted_size_px;
  int64_t n_local = 8;
  std::optional<int64_t> local_size_px;
  std::vector<double> local = {0.05, 0.32};
  std::string area_of = "tile";
  std::vector<double> ratio = {3.0 / 4.0, 4.0 / 3.0};
  std::string filter = "bicubic";
  std::string flip = "horizontal";
  std::vector<double> jitter = {0.4, 0.4, 0.2, 0.1};
  double jitter_p = 0.8;
  double gray_p = 0.2;
  std::vector<double> blur_p = {1.0, 0.1, 0.5};
  std::string blur = "paper";
  std::string blur_kind = "kernel";
  std::vector<double> blur_sigma = {0.1, 2.0};
  std::vector<double> solarize_p = {0.0, 0.2, 0.0};
  int64_t solarize_threshold = 128;
  double hed_sigma = 0.05, hed_p = 0.0;
  double macenko_p = 0.0;
  std::vector<double> macenko_scale = {0.8, 1.2}, macenko_shift = {-0.2, 0.2};
  double randstainna_p = 0.0;
  ColorCohort randstainna;
  std::vector<double> mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225};
  std::string arithmetic = "fast";

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;

  int64_t global_size() const { return global_size_px.value_or(224); }
  int64_t local_size() const { return local_size_px.value_or(96); }
  /// Undistorted copies of global crops.
  int64_t n_undistorted() const { return undistorted_size_px ? n_global : 0; }
};

/// The rule of every view with effective probabilities: globals, locals, then undistorted globals, which are drawn as the globals are.
std::vector<ViewRule> view_rules(const MultiCropConfig& config);

/// The presets; a config field `views: {name: dino, local_size_px: 48}` is a config::Choice over this table.
const std::vector<config::ConfigRow>& view_presets();

/// A preset by name. Config error that names the nearest if unknown.
MultiCropConfig view_preset(const std::string& name);

/// The keys by which views differ from the whole tile resized to their size; empty: every view is that.
std::vector<std::string> changes_of(const MultiCropConfig& config);

/// One line a group of views with its effective probabilities, for --dry-run and the log.
std::vector<std::string> describe(const MultiCropConfig& config);

}  // namespace eosin::data
