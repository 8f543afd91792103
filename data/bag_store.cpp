#include "data/bag_store.h"

#include "core/base/error.h"
#include "data/mil_mat.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <map>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;

Tensor as_float(const Tensor& x) { return x.scalar_type() == at::kHalf ? x : x.to(at::kFloat); }

/// The names under which a table may mean a file.
std::vector<std::string> forms_of(const std::string& slide) {
  std::vector<std::string> forms = {slide, fs::path(slide).stem().string()};
  if (slide.ends_with(".0")) forms.push_back(slide.substr(0, slide.size() - 2));
  return forms;
}

class FeatureBags final : public BagSource {
 public:
  FeatureBags(const std::string& path, const Cohort& cohort, NonFinite non_finite) : non_finite_(non_finite) {
    std::map<std::string, std::string> files;
    for (const auto& file : list_features(path)) files.emplace(fs::path(file).stem().string(), file);
    std::vector<std::string> missing;
    for (const Bag& bag : cohort.bags) {
      bags_.push_back({bag.id, {}});
      for (const auto& slide : bag.slides) {
        auto found = files.end();
        for (const auto& form : forms_of(slide))
          if (found == files.end()) found = files.find(form);
        if (found == files.end())
          missing.push_back(slide);
        else
          bags_.back().files.emplace_back(slide, found->second);
      }
    }
    EOSIN_CHECK(missing.empty(), Data, "[{}] no features of {} slides: {}; embed them, or leave their rows out", path, missing.size(),
                first_ten(missing));
  }

  int64_t size() const override { return static_cast<int64_t>(bags_.size()); }
  std::string encoder() const override { return first_ ? first_->encoder : ""; }
  std::map<std::string, int64_t> dropped() const override { return dropped_; }

  BagBatch read(int64_t b) const override {
    const Files& files = bags_[static_cast<size_t>(b)];
    BagBatch bag;
    std::vector<Tensor> features, coords, fragments;
    int64_t right = 0;
    double tile_size = 0;
    for (const auto& [name, path] : files.files) {
      const SlideFeatures slide = open(path);
      check_same_origin(path, slide);
      if (slide.dropped_rows > 0) dropped_[name] = slide.dropped_rows;
      tile_size = static_cast<double>(slide.meta.patch_size_level0);
      const int64_t n = slide.features_ND.size(0);
      if (n == 0) continue;
      features.push_back(as_float(slide.features_ND));
      fragments.push_back(at::full({n}, static_cast<int64_t>(fragments.size()), at::kLong));
      if (!slide.coords_N2.defined()) continue;
      const Tensor column = slide.coords_N2.select(1, 0);
      const int64_t left = features.size() == 1 ? column.min().item<int64_t>() : right;  // the first slide stays where it is
      coords.push_back(slide.coords_N2 + at::tensor({left - column.min().item<int64_t>(), int64_t{0}}));
      right = coords.back().select(1, 0).max().item<int64_t>() + 2 * std::max<int64_t>(slide.meta.patch_size_level0, 1);
    }
    bag.ids = {files.id};
    if (features.empty()) return bag.offsets = {0, 0}, bag;
    bag.features_ND = features.size() == 1 ? features[0] : at::cat(features);
    if (coords.size() == features.size()) bag.coords_N2 = at::cat(coords);
    if (files.files.size() > 1) bag.fragment_N = at::cat(fragments);
    if (tile_size > 0) bag.tile_size_px = {tile_size};
    bag.offsets = {0, bag.features_ND.size(0)};
    return bag;
  }

  std::vector<BagSlide> slides(int64_t b) const override {
    std::vector<BagSlide> slides;
    for (const auto& [name, path] : bags_[static_cast<size_t>(b)].files) {
      const SlideFeatures slide = open(path);
      if (const int64_t n = slide.features_ND.size(0); n > 0) slides.push_back({name, path, slide.meta, n, slide.coords_N2});
    }
    return slides;
  }

 private:
  struct Files {
    std::string id;
    std::vector<std::pair<std::string, std::string>> files;  // slide, path
  };

  /// A file without coordinates has zeros for all tiles.
  SlideFeatures open(const std::string& path) const {
    SlideFeatures slide = read_features(path, non_finite_);
    EOSIN_CHECK(slide.dropped_rows == 0 || slide.features_ND.size(0) > 0, Data,
                "[{}] every one of the {} tiles has features that are not finite; embed the slide again, or leave its row out", path,
                slide.dropped_rows);
    if (slide.coords_N2.size(0) > 1 && !slide.coords_N2.any().item<bool>()) slide.coords_N2 = Tensor();
    return slide;
  }

  void check_same_origin(const std::string& path, const SlideFeatures& slide) const {
    const int64_t width = slide.features_ND.size(1);
    if (!first_) first_ = slide.meta, first_path_ = path, width_ = width;
    EOSIN_CHECK(width == width_, Shape, "[{}] features of width {} (encoder '{}') beside {} (encoder '{}') in {}; use the features of one encoder",
                path, width, slide.meta.encoder, width_, first_->encoder, first_path_);
    const bool same =
        slide.meta.weights_sha256 == first_->weights_sha256 && slide.meta.transform == first_->transform && slide.meta.encoder == first_->encoder;
    EOSIN_CHECK(same, Data, "[{}] features of encoder '{}' ({}) beside '{}' ({}) in {}; use the features of one encoder", path, slide.meta.encoder,
                slide.meta.transform, first_->encoder, first_->transform, first_path_);
  }

  NonFinite non_finite_;
  std::vector<Files> bags_;
  mutable std::map<std::string, int64_t> dropped_;
  mutable std::optional<FeatureMeta> first_;  // of the file that was read first; the others must agree
  mutable std::string first_path_;
  mutable int64_t width_ = 0;
};

class MatBags final : public BagSource {
 public:
  explicit MatBags(const std::string& path) : set_(read_mil_mat(path)) {
    for (size_t b = 0; b < set_.bag_label.size(); ++b) rows_.push_back(rows_of_bag(set_, static_cast<int64_t>(b)));
  }
  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  BagBatch read(int64_t b) const override {
    BagBatch bag;
    bag.features_ND = set_.instances_ND.index_select(0, rows_[static_cast<size_t>(b)]).to(at::kFloat);
    bag.offsets = {0, bag.features_ND.size(0)};
    bag.ids = {"bag-" + std::to_string(b + 1)};
    return bag;
  }
  Cohort cohort(const std::string& path) const {
    Cohort cohort;
    cohort.source = path;
    cohort.classes = {"0", "1"};
    cohort.notes = {"bags of a MATLAB set: every bag counts as a patient of its own"};
    for (int64_t b = 0; b < size(); ++b) {
      Bag bag;
      bag.id = bag.patient = "bag-" + std::to_string(b + 1);
      bag.slides = {bag.id};
      bag.label = std::to_string(set_.bag_label[static_cast<size_t>(b)]);
      bag.where = path;
      cohort.bags.push_back(std::move(bag));
    }
    return cohort;
  }

 private:
  BagSet set_;
  std::vector<Tensor> rows_;
};

BagSummary summary_of(const BagBatch& bag) {
  const Tensor x = bag.features_ND.to(at::kDouble);
  BagSummary s;
  s.rows = x.size(0);
  s.bytes = static_cast<int64_t>(bag.features_ND.nbytes());
  s.mean_D = x.mean(0);
  s.squares_D = (x - s.mean_D).square().sum(0);
  return s;
}

}  // namespace

std::unique_ptr<BagSource> open_feature_bags(const std::string& path, const Cohort& cohort, NonFinite non_finite) {
  return std::make_unique<FeatureBags>(path, cohort, non_finite);
}

std::pair<Cohort, std::unique_ptr<BagSource>> open_mil_mat(const std::string& path) {
  auto bags = std::make_unique<MatBags>(path);
  Cohort cohort = bags->cohort(path);
  return {std::move(cohort), std::move(bags)};
}

Tensor FeatureScale::apply(const Tensor& x_ND) const {
  const Tensor x = x_ND.to(at::kFloat);
  return mean_D.defined() ? (x - mean_D) / deviation_D : x;
}

FeatureScale fit_scale(const std::vector<BagSummary>& all, const std::vector<int64_t>& bags) {
  EOSIN_ASSERT(!bags.empty());
  const auto& first = all.at(static_cast<size_t>(bags[0]));
  double rows = 0;
  Tensor mean = at::zeros_like(first.mean_D), squares = at::zeros_like(first.squares_D);
  for (const int64_t b : bags) {  // the update of Chan et al. 1979
    const BagSummary& s = all.at(static_cast<size_t>(b));
    const auto n = static_cast<double>(s.rows);
    const Tensor delta = s.mean_D - mean;
    squares = squares + s.squares_D + delta.square() * (rows * n / (rows + n));
    mean = mean + delta * (n / (rows + n));
    rows += n;
  }
  const Tensor deviation = (squares / rows).sqrt();
  return {mean.to(at::kFloat), at::where(deviation > 0, deviation, at::ones_like(deviation)).to(at::kFloat)};
}

BagStore::BagStore(std::unique_ptr<BagSource> source, const Options& options) : source_(std::move(source)), memory_bytes_(options.memory_bytes) {
  int64_t bytes = 0;
  std::vector<std::string> empty;
  for (int64_t b = 0; b < source_->size(); ++b) {
    BagBatch bag = source_->read(b);
    if (options.read) options.read(b);
    if (bag.size(0) == 0) {
      empty.push_back(bag.ids.at(0));
      continue;
    }
    kept_.push_back(b);
    summaries_.push_back(summary_of(bag));
    EOSIN_CHECK(summaries_.back().mean_D.size(0) == dim(), Shape, "[bags] bag '{}' has features of width {} (need {}, as the bags before it)",
                bag.ids.at(0), summaries_.back().mean_D.size(0), dim());
    bytes += summaries_.back().bytes;
    if (bytes <= memory_bytes_)
      bags_.push_back(std::move(bag));
    else
      bags_.clear();
  }
  EOSIN_CHECK(empty.empty() || options.skip_empty, Data, "[bags] {} bags have no tiles: {}; leave them out, or set skip_empty=true", empty.size(),
              first_ten(empty));
  EOSIN_CHECK(!kept_.empty(), Data, "[bags] there is no bag with tiles");
}

BagBatch BagStore::bag(int64_t b) const {
  const auto at = static_cast<size_t>(b);
  return resident() ? bags_[at] : source_->read(kept_[at]);
}

void BagStore::walk(const std::vector<int64_t>& order, const std::function<void(size_t first, std::span<const BagBatch> bags)>& use) const {
  std::vector<BagBatch> stretch;
  size_t first = 0;
  int64_t bytes = 0;
  const auto hand_out = [&] {
    if (!stretch.empty()) use(first, stretch);
    first += stretch.size();
    stretch.clear(), bytes = 0;
  };
  for (const int64_t b : order) {
    const auto at = static_cast<size_t>(b);
    if (!resident() && bytes > 0 && bytes + summaries_[at].bytes > memory_bytes_) hand_out();
    bytes += summaries_[at].bytes;
    stretch.push_back(bag(b));
  }
  hand_out();
}

}  // namespace eosin::data
