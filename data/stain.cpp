#include "data/stain.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/error.h"

namespace eosin::data {
namespace {

/// Stores a fit at its place in a profile.
template <class Fit>
std::optional<StainFault> keep(const Fitted<Fit>& fit, Fit& place) {
  if (!fit) return fit.fault();
  place = *fit;
  return {};
}

StainMethod macenko_row() {
  return {"macenko",
          "plane of optical densities, extreme angles",
          "Macenko 2009, doi:10.1109/ISBI.2009.5193250; torchstain",
          [](const StainProfile& p) { return !p.macenko.stains.empty(); },
          [](ImageView pixels, StainProfile& p) { return keep(macenko_fit(pixels, p.macenko.rule), p.macenko.stains); },
          [](const StainProfile& from, const StainProfile& to) -> StainTransform {
            return [map = macenko_map(from.macenko.stains, to.macenko.stains, to.macenko.rule.io)](ImageView in, Image& out) { apply(map, in, out); };
          }};
}

StainMethod reinhard_row() {
  return {"reinhard",
          "mean and deviation in L*a*b*",
          "Reinhard 2001, doi:10.1109/38.946629; torchstain",
          [](const StainProfile& p) { return !p.reinhard.lab.empty(); },
          [](ImageView pixels, StainProfile& p) { return keep(reinhard_fit(pixels), p.reinhard.lab); },
          [](const StainProfile& from, const StainProfile& to) -> StainTransform {
            return [map = reinhard_map(from.reinhard.lab, to.reinhard.lab, to.reinhard.rule.modified)](ImageView in, Image& out) {
              apply(map, in, out);
            };
          }};
}

StainMethod vahadane_row() {
  return {"vahadane",
          "sparse non-negative dictionary of two stains",
          "Vahadane 2016, doi:10.1109/TMI.2016.2529665",
          [](const StainProfile& p) { return !p.vahadane.stains.empty(); },
          [](ImageView pixels, StainProfile& p) { return keep(vahadane_fit(pixels, p.vahadane.rule), p.vahadane.stains); },
          [](const StainProfile& from, const StainProfile& to) -> StainTransform {
            return [from = from.vahadane.stains, to = to.vahadane.stains, lambda = to.vahadane.rule.lambda](ImageView in, Image& out) {
              vahadane_apply(from, to, lambda, in, out);
            };
          }};
}

StainProfile read_existing(const std::string& path) {
  EOSIN_CHECK(std::filesystem::is_regular_file(path), Config, "[stain.reference] no such file (got '{}'); eosin store stain-fit makes one", path);
  return read_stain_profile(path);
}

const StainMethod& method_named(const std::string& name) {
  for (const StainMethod& m : stain_methods())
    if (m.name == name) return m;
  fail(ErrorKind::Config, "[stain.method] no method of this name (got '{}'); see eosin list stain", name);
}

}  // namespace

const std::vector<StainMethod>& stain_methods() {
  static const std::vector<StainMethod> table = {macenko_row(), reinhard_row(), vahadane_row()};
  return table;
}

std::vector<std::pair<std::string, StainFault>> fit_all(ImageView pixels, StainProfile& profile) {
  profile.pixels = pixels.height * pixels.width;
  std::vector<std::pair<std::string, StainFault>> faults;
  for (const StainMethod& m : stain_methods())
    if (const auto fault = m.fit(pixels, profile)) faults.emplace_back(m.name, *fault);
  return faults;
}

void StainConfig::visit(config::Visitor& v) {
  config::OneOf methods{{"none"}};
  for (const StainMethod& m : stain_methods()) methods.words.push_back(m.name);
  v("method", method, "how colours are brought to the reference's", methods);
  v("reference", reference, "YAML file of the reference: eosin store stain-fit makes one, configs/stain has some");
  v("estimate", estimate, "colours of a tile are told from its slide (up to 100,000 tissue pixels of 64 tiles), or from the tile alone",
    config::OneOf{{"slide", "tile"}});
}

void StainConfig::validate(config::Problems& p) const {
  if (is_on() && reference.empty()) p.add("reference", fmt::format("stain.method {} needs a reference; eosin store stain-fit makes one", method));
  if (!is_on() && !reference.empty()) p.add("reference", "given, but stain.method is none; name the method, or leave the reference out");
}

StainReference::StainReference(const StainConfig& config)
    : profile_(read_existing(config.reference)),
      method_(&method_named(config.method)),
      per_tile_(config.estimate == "tile"),
      digest_(digest_of(profile_)) {
  EOSIN_CHECK(method_->is_fitted(profile_), Config, "[stain.reference] {} has no fit of {}; make one with eosin store stain-fit", config.reference,
              method_->name);
  description_ =
      fmt::format("{} to {} ({}), per {}", method_->name, profile_.name.empty() ? "reference" : profile_.name, digest_.substr(0, 8), config.estimate);
}

Fitted<StainWay> StainReference::from(ImageView pixels) const {
  StainProfile source = profile_;  // for its rules
  if (const auto fault = method_->fit(pixels, source)) return *fault;
  StainTransform transform = method_->transform(source, profile_);
  return StainWay{std::move(source), std::move(transform)};
}

std::string StainReference::describe(const StainProfile& profile) const {
  StainProfile copy = profile;
  return config::to_json(config::visit_of(copy)).at(method_->name).dump();
}

std::shared_ptr<const StainReference> open_stain_reference(const StainConfig& config) {
  return config.is_on() ? std::make_shared<const StainReference>(config) : nullptr;
}

SlideStain::SlideStain(std::shared_ptr<const StainReference> reference, ImageView pool) : reference_(std::move(reference)) {
  if (reference_->per_tile()) return;
  const auto found = reference_->from(pool);
  if (!found) {
    fault_ = found.fault();
    return;
  }
  transform_ = found->transform;
  estimate_ = reference_->describe(found->from);
}

std::optional<StainFault> SlideStain::normalize(Image& tile) const {
  if (fault_) return fault_;
  thread_local Image normalized;
  if (transform_) {
    transform_(tile, normalized);
  } else {
    const auto own = reference_->from(tile);
    if (!own) return own.fault();
    own->transform(tile, normalized);
  }
  std::swap(tile, normalized);
  return {};
}

}  // namespace eosin::data
