#pragma once
// The bags of a job by number: in memory as far as they fit, else read when their turn comes.
#include "data/bag_batch.h"
#include "data/cohort.h"
#include "data/feature_store.h"

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

/// A slide of a bag, whose rows follow those of the slide before it.
struct BagSlide {
  std::string name, path;  // as the cohort has it; of its features
  FeatureMeta meta;
  int64_t rows = 0;
  Tensor coords_N2;  // of the slide itself, not shifted; undefined where unknown
};

/// Where bags come from. Reading a bag again gives the same bits.
class BagSource {
 public:
  virtual ~BagSource() = default;
  virtual int64_t size() const = 0;
  /// One bag with its name. Errors   those of its file.
  virtual BagBatch read(int64_t bag) const = 0;
  /// The slides that the bag's rows are of, without those that have none. Empty where bags are not made of slides.
  virtual std::vector<BagSlide> slides(int64_t bag) const { return {}; }
  /// Tiles that were left out of the bags read so far because a feature is not finite, by slide; only of slides with some.
  virtual std::map<std::string, int64_t> dropped() const { return {}; }
  /// Who made the features ("" where nobody says), for messages and reports.
  virtual std::string encoder() const { return ""; }
};

/// A file a slide (data/feature_store.h) from a folder, or the one file; the slides of a patient one after another, each shifted to the right of
/// the one before and with a fragment number of its own. Slides are found by the file's name without its extension, also where a table says
/// "slide.svs" or, of a number, "17.0". Features become float32 unless they are half precision.
///
/// Errors   Data: slides without a file (names ten), files of two encoders, a slide without a row that is finite; Shape: files of different width
///          (slide, both widths, encoder).
std::unique_ptr<BagSource> open_feature_bags(const std::string& path, const Cohort& cohort, NonFinite non_finite = NonFinite::Refuse);

/// A set of MATLAB bags (data/mil_mat.h) and the cohort that it carries: bags "bag-1", ..., labels 0 and 1.
std::pair<Cohort, std::unique_ptr<BagSource>> open_mil_mat(const std::string& path);

/// What is known of a bag without keeping it: for each column the mean and the sum of squared deviations from it, in float64.
struct BagSummary {
  int64_t rows = 0, bytes = 0;
  Tensor mean_D, squares_D;
};

/// (x - mean) / deviation of each column, the deviation of a constant column being 1.
struct FeatureScale {
  Tensor mean_D, deviation_D;  // float32; undefined: features stay as they are
  Tensor apply(const Tensor& x_ND) const;
};
/// Over all rows of these bags, population form.
FeatureScale fit_scale(const std::vector<BagSummary>& all, const std::vector<int64_t>& bags);

class BagStore {
 public:
  struct Options {
    int64_t memory_bytes = int64_t{8} << 30;
    bool skip_empty = false;
    std::function<void(int64_t bag)> read = {};  // called after each bag of the first reading
  };
  /// Reads every bag once, keeping them all if they fit.
  ///
  /// Errors   those of the source; Shape: another width than the first bag's; Data: an empty bag, unless skip_empty.
  BagStore(std::unique_ptr<BagSource> source, const Options& options);

  /// Numbers, in the source, of the bags that are not empty: bag b of this store is kept()[b].
  const std::vector<int64_t>& kept() const { return kept_; }
  int64_t size() const { return static_cast<int64_t>(kept_.size()); }
  int64_t dim() const { return summaries_.front().mean_D.size(0); }
  bool resident() const { return !bags_.empty(); }
  const std::vector<BagSummary>& summaries() const { return summaries_; }
  std::string encoder() const { return source_->encoder(); }
  std::map<std::string, int64_t> dropped() const { return source_->dropped(); }
  /// Reads the bag's files again.
  std::vector<BagSlide> slides(int64_t b) const { return source_->slides(kept_.at(static_cast<size_t>(b))); }

  /// One bag, read again if it is not in memory.
  BagBatch bag(int64_t b) const;
  /// Hands out the bags of `order` in stretches that fit in memory together: positions first ... of the order.
  /// The stretches depend on the memory, so that nothing computed from them may.
  void walk(const std::vector<int64_t>& order, const std::function<void(size_t first, std::span<const BagBatch> bags)>& use) const;

 private:
  std::unique_ptr<BagSource> source_;
  int64_t memory_bytes_;
  std::vector<int64_t> kept_;
  std::vector<BagSummary> summaries_;
  std::vector<BagBatch> bags_;  // all, or none
};

}  // namespace eosin::data
