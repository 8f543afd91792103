#pragma once
// The tiles of a source that have a class: what supervised training draws from.
#include "core/base/config.h"
#include "data/tile_source.h"

#include <memory>
#include <string>
#include <vector>

namespace eosin::data {

/// The keys of `data.labels`.
struct LabelConfig {
  std::string column;  // empty: no labels
  std::string split_column = "split", split;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Names of the classes in their order (order_names), and how many tiles each has.
struct ClassList {
  std::vector<std::string> names;
  std::vector<int64_t> tiles;
  int64_t size() const { return static_cast<int64_t>(names.size()); }
};

/// Another source's tiles that are in one of its groups by `column`, the classes, numbered anew in their order; with `split` those alone whose
/// `split_column` says so. The others are never drawn. Classes are those of all parts of the split, so that parts number them alike.
///
/// Errors   those of TileSource::groups; Data if there are fewer than two classes, or no tile in that part (names the parts there are).
/// Checked  tests/data/test_labelled_source.cpp.
class LabelledSource final : public TileSource {
 public:
  LabelledSource(std::shared_ptr<const TileSource> source, const LabelConfig& config);

  const ClassList& classes() const { return classes_; }

  uint64_t n_tiles() const override { return kept_.size(); }
  Size tile_size() const override { return source_->tile_size(); }
  bool has_one_size() const override { return source_->has_one_size(); }
  std::string digest() const override { return digest_; }
  SampleId id(const TileDraw& draw) const override { return source_->id({kept_[draw.index], draw.position}); }
  void read_image(const TileDraw& draw, std::vector<uint8_t>& buffer, Image& out) const override {
    source_->read_image({kept_[draw.index], draw.position}, buffer, out);
  }
  std::optional<int64_t> label(uint64_t index) const override { return class_of_[kept_[index]]; }
  const std::string& file(uint64_t index) const override { return source_->file(kept_[index]); }
  void will_read(const std::vector<TileRange>& tiles) const override;
  std::vector<TileGroup> groups(const std::string& by) const override;

 private:
  void keep_part(const LabelConfig& config);

  const std::shared_ptr<const TileSource> source_;
  ClassList classes_;
  std::vector<int32_t> class_of_;  // of the source's tiles; -1: left out
  TileRanges kept_;                // numbers in the source, ascending
  std::string digest_;
};

}  // namespace eosin::data
