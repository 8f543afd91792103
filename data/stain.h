#pragma once
// Bringing the colours of slides to those of a reference: methods by name, and their use on tiles.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "data/stain_profile.h"

namespace eosin::data {

using StainTransform = std::function<void(ImageView in, Image& out)>;

/// Colours that were found, and the way from them to a reference's.
struct StainWay {
  StainProfile from;
  StainTransform transform;
};

/// A row of the table. `fit` writes the method's part of a profile, by the rule that is there; `transform` goes from one profile's colours to
/// another's.
struct StainMethod {
  std::string name, one_line, source;
  std::function<bool(const StainProfile&)> is_fitted;
  std::function<std::optional<StainFault>(ImageView pixels, StainProfile& into)> fit;
  std::function<StainTransform(const StainProfile& from, const StainProfile& to)> transform;
};
const std::vector<StainMethod>& stain_methods();

/// Fits every method to the pixels, by the rules that `profile` has. What cannot be fitted stays empty and is returned with its fault.
std::vector<std::pair<std::string, StainFault>> fit_all(ImageView pixels, StainProfile& profile);

/// The keys of a normalisation.
struct StainConfig {
  std::string method = "none", reference, estimate = "slide";
  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
  bool is_on() const { return method != "none"; }
};

/// The tissue pixels that a slide's colours are estimated from, and the tiles that they come from.
inline constexpr int64_t kStainPixels = 100000, kStainTiles = 64;

/// A method and the colours that it leads to. Thread-safe.
class StainReference {
 public:
  /// Errors   Config: the file is missing or wrong, or has no fit of the method.
  explicit StainReference(const StainConfig& config);

  /// "macenko to lung (3f2a9c01), per slide": for attributes.
  const std::string& description() const { return description_; }
  /// SHA-256 of the reference's values.
  const std::string& digest() const { return digest_; }
  bool per_tile() const { return per_tile_; }
  /// The way from the colours of these pixels to the reference's.
  Fitted<StainWay> from(ImageView pixels) const;
  /// The method's part of a profile as JSON text.
  std::string describe(const StainProfile& profile) const;

 private:
  StainProfile profile_;
  const StainMethod* method_;
  bool per_tile_;
  std::string description_, digest_;
};

/// The reference that a config names; none if its method is.
std::shared_ptr<const StainReference> open_stain_reference(const StainConfig& config);

/// How the tiles of one slide are brought to the reference: all alike, or each by its own estimate. Thread-safe.
class SlideStain {
 public:
  /// `pool` holds tissue pixels of the slide; it is not looked at where tiles are estimated each.
  SlideStain(std::shared_ptr<const StainReference> reference, ImageView pool);

  /// Why no tile of this slide can be normalised.
  std::optional<StainFault> fault() const { return fault_; }
  /// What the slide's colours were found to be, as JSON text; empty where each tile has its own estimate or there is none.
  const std::string& estimate() const { return estimate_; }
  /// In place; a tile whose colours cannot be estimated is left as it was, and the reason returned.
  std::optional<StainFault> normalize(Image& tile) const;

 private:
  std::shared_ptr<const StainReference> reference_;
  StainTransform transform_;
  std::string estimate_;
  std::optional<StainFault> fault_;
};

}  // namespace eosin::data
