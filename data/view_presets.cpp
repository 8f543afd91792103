#include "data/view_presets.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/base/error.h"

namespace eosin::data {
namespace {

using config::Length;
using config::OneOf;
using config::Range;

constexpr size_t kFirstGlobal = 0, kOtherGlobal = 1, kLocal = 2;

/// Meta's released code hands 1 - p to an API that applies with probability p.
double effective_blur(const MultiCropConfig& c, size_t group) { return c.blur == "meta_effective" ? 1 - c.blur_p[group] : c.blur_p[group]; }

Flip flip_of(const std::string& name) {
  if (name == "none") return Flip::kNone;
  if (name == "horizontal") return Flip::kHorizontal;
  if (name == "both") return Flip::kHorizontalVertical;
  EOSIN_ASSERT(name == "d4");
  return Flip::kD4;
}

template <size_t N>
std::array<double, N> fixed(const std::vector<double>& values) {
  EOSIN_ASSERT(values.size() == N);
  std::array<double, N> out{};
  std::copy(values.begin(), values.end(), out.begin());
  return out;
}

ViewRule rule_of(const MultiCropConfig& c, size_t group) {
  ViewRule r;
  r.size_px = group == kLocal ? c.local_size() : c.global_size();
  r.crop = {fixed<2>(group == kLocal ? c.local : c.global), fixed<2>(c.ratio)};
  if (c.area_of == "crop") r.scale_of_px = r.size_px;
  r.filter = filter_by_name(c.filter);
  r.flip = flip_of(c.flip);
  r.hed_p = c.hed_p, r.hed_sigma = c.hed_sigma;
  r.macenko_p = c.macenko_p, r.macenko_scale = fixed<2>(c.macenko_scale), r.macenko_shift = fixed<2>(c.macenko_shift);
  r.randstainna_p = c.randstainna_p, r.randstainna = c.randstainna;
  r.jitter_p = c.jitter_p, r.jitter = fixed<4>(c.jitter);
  r.gray_p = c.gray_p;
  r.blur_p = effective_blur(c, group);
  r.blur = c.blur_kind == "box" ? Blur::kBox : Blur::kKernel;
  r.sigma = fixed<2>(c.blur_sigma);
  r.solarize_p = c.solarize_p[group], r.solarize_threshold = c.solarize_threshold;
  r.mean = fixed<3>(c.mean), r.std = fixed<3>(c.std);
  return r;
}

/// Where and how the globals are cut and turned, and nothing else.
ViewRule undistorted_rule(const MultiCropConfig& c) {
  const ViewRule global = rule_of(c, kOtherGlobal);
  ViewRule r;
  r.size_px = *c.undistorted_size_px;
  r.crop = global.crop, r.scale_of_px = global.scale_of_px;
  r.filter = global.filter, r.flip = global.flip;
  r.mean = global.mean, r.std = global.std;
  return r;
}

void check_interval(config::Problems& p, const char* key, const std::vector<double>& v) {
  if (v[0] > v[1]) p.add(key, fmt::format("low is above high (got [{}, {}])", v[0], v[1]));
}

// ------------------------------------------------------------------------------------------------ the presets
MultiCropConfig dinov2() {
  MultiCropConfig c;
  c.blur = "meta_effective";
  return c;
}
MultiCropConfig dinov2_paper() { return {}; }

MultiCropConfig dino() {
  MultiCropConfig c;
  c.global = {0.4, 1.0}, c.local = {0.05, 0.4};
  c.blur_kind = "box";
  return c;
}
MultiCropConfig ibot() {
  MultiCropConfig c = dino();
  c.global = {0.25, 1.0};
  c.n_local = 10, c.local = {0.05, 0.25};
  return c;
}

MultiCropConfig openmidnight() {
  MultiCropConfig c = dinov2();
  c.local_size_px = 98;
  c.jitter = {0.2, 0.2, 0.1, 0.05};
  c.solarize_p = {0, 0, 0};
  c.hed_sigma = 0.05, c.hed_p = 0.5;
  return c;
}

/// Strength of its jitter and its local crops' area are unpublished: DINOv2's jitter, and the globals' area.
MultiCropConfig virchow2() {
  MultiCropConfig c = dinov2();
  c.area_of = "crop";
  c.global = c.local = {0.9, 1.1};
  c.ratio = {0.95, 1.05};
  c.flip = "both";
  return c;
}

MultiCropConfig pathology() {
  MultiCropConfig c;
  c.flip = "d4";
  c.jitter = {0.2, 0.2, 0.1, 0.05};
  c.gray_p = 0.1;
  c.solarize_p = {0, 0, 0};
  c.hed_sigma = 0.05, c.hed_p = 0.5;
  return c;
}

/// Its stain augmentation is unpublished: Macenko's with the strength that torchstain takes, for every other view, is ours.
MultiCropConfig rudolfv() {
  MultiCropConfig c = dinov2();
  c.macenko_p = 0.5;
  return c;
}

MultiCropConfig msn() {
  MultiCropConfig c;
  c.global = {0.3, 1.0};
  c.n_local = 10, c.local = {0.05, 0.3};
  c.jitter = {0.4, 0.4, 0.4, 0.1};
  c.blur_p = {0.5, 0.5, 0.5};
  c.solarize_p = {0, 0, 0};
  return c;
}

MultiCropConfig two_views() {
  MultiCropConfig c;
  c.global = {0.08, 1.0};
  c.n_local = 0;
  return c;
}
MultiCropConfig simclr() {
  MultiCropConfig c = two_views();
  c.jitter = {0.8, 0.8, 0.8, 0.2};
  c.blur_p = {0.5, 0.5, 0.5};
  c.solarize_p = {0, 0, 0};
  return c;
}
MultiCropConfig moco_v3() {
  MultiCropConfig c = two_views();
  c.blur_p = {1.0, 0.1, 0.0};
  return c;
}

MultiCropConfig supervised() {
  MultiCropConfig c;
  c.n_global = 1, c.n_local = 0;
  c.global = {0.08, 1.0};
  c.filter = "bilinear";
  c.jitter = {0, 0, 0, 0}, c.jitter_p = 0, c.gray_p = 0;
  c.blur_p = {0, 0, 0}, c.solarize_p = {0, 0, 0};
  return c;
}
MultiCropConfig mae() {
  MultiCropConfig c = supervised();
  c.global = {0.2, 1.0};
  c.filter = "bicubic";
  return c;
}

config::ConfigRow row(const char* name, MultiCropConfig make(), const char* one_line, const char* source) {
  return {name, one_line, source, [make] { return std::make_unique<config::ConfigOf<MultiCropConfig>>(make()); }};
}

}  // namespace

void MultiCropConfig::visit(config::Visitor& v) {
  const Range share{0, 1}, area{0, 16, config::kOpenLow};
  v("n_global", n_global, "global crops a tile", Range{1, 64});
  v("global_size_px", global_size_px, "edge of a global crop; absent: the model's image size, 224 where there is no model", Range{1, 4096});
  v("global", global, "area of a global crop as a share of what area_of says: low, high", area, Length{2, 2});
  v("undistorted_size_px", undistorted_size_px,
    "edge of a copy of each global crop that is cut and turned alike, without any other augmentation, for Gram anchoring (DINOv3: twice the "
    "global crop); absent: none",
    Range{1, 4096});
  v("n_local", n_local, "local crops a tile", Range{0, 64});
  v("local_size_px", local_size_px, "edge of a local crop; absent: 96/224 of the model's image size in whole patches, 96 where there is no model",
    Range{1, 4096});
  v("local", local, "area of a local crop as a share of what area_of says: low, high", area, Length{2, 2});
  v("area_of", area_of, "tile; or crop: the crop's own edge squared, so that nuclei keep about their size (extended-context translation)",
    OneOf{{"tile", "crop"}});
  v("ratio", ratio, "width over height of a crop: low, high", Range{0, 100, config::kOpenLow}, Length{2, 2});
  v("filter", filter, "resampling filter of the crops", OneOf{{"bilinear", "bicubic", "lanczos"}});
  v("flip", flip, "none, horizontal, both (each with p 0.5), or d4 (one of the square's eight symmetries)",
    OneOf{{"none", "horizontal", "both", "d4"}});
  v("jitter", jitter, "strength of brightness, contrast, saturation, hue", Range{0, 1}, Length{4, 4});
  v("jitter_p", jitter_p, "probability of colour jitter", share);
  v("gray_p", gray_p, "probability of grey", share);
  v("blur_p", blur_p, "probability of blur of the first global, the other globals, the locals, as the paper says", share, Length{3, 3});
  v("blur", blur, "paper: as blur_p says; meta_effective: 1 - blur_p, as DINOv2's released code does", OneOf{{"paper", "meta_effective"}});
  v("blur_kind", blur_kind, "box: Pillow's, sigma is its radius; kernel: 9x9 Gaussian", OneOf{{"box", "kernel"}});
  v("blur_sigma", blur_sigma, "blur's sigma in pixels: low, high", Range{0, 100, config::kOpenLow}, Length{2, 2});
  v("solarize_p", solarize_p, "probability of solarizing the first global, the other globals, the locals", share, Length{3, 3});
  v("solarize_threshold", solarize_threshold, "grey level from which solarizing inverts", Range{0, 256});
  v("hed_sigma", hed_sigma, "stain jitter: alpha in 1 +- this, beta in +- this", Range{0, 1});
  v("hed_p", hed_p, "probability of stain jitter; with macenko_p and randstainna_p at most 1: a view has one of them", share);
  v("macenko_p", macenko_p, "probability of Macenko augmentation, with the stains of the whole tile", share);
  v("macenko_scale", macenko_scale, "Macenko augmentation: each stain's amount times a number of low, high", Range{0, 10}, Length{2, 2});
  v("macenko_shift", macenko_shift, "Macenko augmentation: plus a number of low, high", Range{-10, 10}, Length{2, 2});
  v("randstainna_p", randstainna_p, "probability of RandStainNA", share);
  v("randstainna", randstainna, "colours of the cohort that RandStainNA draws from; eosin store stain-fit prints those of a store");
  v("mean", mean, "mean of the normalisation, R G B", share, Length{3, 3});
  v("std", std, "standard deviation of the normalisation, R G B", Range{0, 100, config::kOpenLow}, Length{3, 3});
  v("arithmetic", arithmetic, "fast: float32 without rounding in between; exact: u8 as Pillow and torchvision, bit for bit",
    OneOf{{"fast", "exact"}});
}

void MultiCropConfig::validate(config::Problems& p) const {
  for (const auto& [key, area] : {std::pair("global", &global), std::pair("local", &local)}) {
    check_interval(p, key, *area);
    if (area_of == "tile" && (*area)[1] > 1)
      p.add(key, fmt::format("a crop of {} tiles does not lie in one (need <= 1, or area_of=crop)", (*area)[1]));
  }
  check_interval(p, "ratio", ratio);
  check_interval(p, "blur_sigma", blur_sigma);
  check_interval(p, "macenko_scale", macenko_scale);
  check_interval(p, "macenko_shift", macenko_shift);
  if (const double sum = hed_p + macenko_p + randstainna_p; sum > 1)
    p.add("hed_p", fmt::format("hed_p + macenko_p + randstainna_p is {}, need <= 1: a view has one stain augmentation at most", sum));
  if (jitter[3] > 0.5) p.add("jitter", fmt::format("the hue's strength is half the circle at most (got {}, need <= 0.5)", jitter[3]));
}

std::vector<ViewRule> view_rules(const MultiCropConfig& config) {
  std::vector<ViewRule> rules;
  for (int64_t v = 0; v < config.n_global; ++v) rules.push_back(rule_of(config, v == 0 ? kFirstGlobal : kOtherGlobal));
  for (int64_t v = 0; v < config.n_local; ++v) rules.push_back(rule_of(config, kLocal));
  for (int64_t v = 0; v < config.n_undistorted(); ++v) rules.push_back(undistorted_rule(config));
  return rules;
}

const std::vector<config::ConfigRow>& view_presets() {
  static const std::vector<config::ConfigRow> table = {
      row("dinov2", dinov2, "2 global 0.32-1, 8 local 0.05-0.32, blur as released", "Oquab 2023, arXiv:2304.07193"),
      row("dinov2_paper", dinov2_paper, "dinov2 with blur as the paper says", "Oquab 2023, arXiv:2304.07193"),
      row("dinov3", dinov2, "the views of dinov2", "Simeoni 2025, arXiv:2508.10104"),
      row("uni", dinov2, "the views of dinov2", "Chen 2024, doi:10.1038/s41591-024-02857-3"),
      row("gpfm", dinov2, "the views of dinov2", "Ma 2024, arXiv:2407.18449"),
      row("dino", dino, "2 global 0.4-1, 8 local 0.05-0.4, Pillow's blur", "Caron 2021, arXiv:2104.14294"),
      row("ibot", ibot, "2 global 0.25-1, 10 local 0.05-0.25, Pillow's blur", "Zhou 2022, arXiv:2111.07832"),
      row("openmidnight", openmidnight, "dinov2 with weaker jitter and stain jitter", "Kaplan 2025, OpenMidnight"),
      row("virchow2", virchow2, "2 global and 8 local of their own size in a larger tile, mirrored both ways", "Zimmermann 2024, arXiv:2408.00738"),
      row("rudolfv", rudolfv, "dinov2 with Macenko augmentation", "Dippel 2024, arXiv:2401.04079"),
      row("pathology", pathology, "D4, stain jitter, weak colour jitter: our proposal for H&E", "Tellez 2018, arXiv:1808.07262"),
      row("msn", msn, "2 global 0.3-1, 10 local 0.05-0.3", "Assran 2022, arXiv:2204.07141"),
      row("simclr", simclr, "2 views 0.08-1, strong jitter", "Chen 2020, arXiv:2002.05709"),
      row("moco_v3", moco_v3, "2 views 0.08-1, blur and solarize of BYOL", "Chen 2021, arXiv:2104.02057"),
      row("mae", mae, "1 view 0.2-1, mirrored", "He 2021, arXiv:2111.06377"),
      row("supervised", supervised, "1 view 0.08-1 bilinear, mirrored", "Szegedy 2015, arXiv:1409.4842"),
  };
  return table;
}

MultiCropConfig view_preset(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& r : view_presets()) {
    if (r.name == name) return dynamic_cast<const config::ConfigOf<MultiCropConfig>&>(*r.make()).value;
    names.push_back(r.name);
  }
  const auto near = config::nearest(name, names);
  fail(ErrorKind::Config, "[views] no preset of this name (got '{}', need one of {}){}", name, fmt::join(names, ", "),
       near ? "; did you mean '" + *near + "'?" : "");
}

std::vector<std::string> changes_of(const MultiCropConfig& config) {
  std::vector<std::string> keys;
  const auto changed = [&keys](bool is, const char* key) {
    if (is) keys.emplace_back(key);
  };
  const std::vector<double> whole = {1, 1};
  changed(config.global != whole, "global");
  changed(config.ratio != whole, "ratio");
  changed(config.n_local > 0, "n_local");
  changed(config.flip != "none", "flip");
  const std::vector<ViewRule> rules = view_rules(config);
  const auto any = [&rules](double ViewRule::*p) { return std::any_of(rules.begin(), rules.end(), [p](const ViewRule& r) { return r.*p > 0; }); };
  changed(any(&ViewRule::hed_p), "hed_p");
  changed(any(&ViewRule::macenko_p), "macenko_p");
  changed(any(&ViewRule::randstainna_p), "randstainna_p");
  changed(any(&ViewRule::jitter_p), "jitter_p");
  changed(any(&ViewRule::gray_p), "gray_p");
  changed(any(&ViewRule::blur_p), "blur_p");
  changed(any(&ViewRule::solarize_p), "solarize_p");
  return keys;
}

std::vector<std::string> describe(const MultiCropConfig& config) {
  std::vector<std::string> lines;
  const auto line = [&](const char* what, int64_t count, size_t group) {
    if (count == 0) return;
    const ViewRule r = rule_of(config, group);
    lines.push_back(fmt::format(
        "{} {} x {} px, area {}-{} of the {}: stain hed {} macenko {} randstainna {}, jitter {} of [{}], grey {}, blur {} ({}), solarize {}", what,
        count, r.size_px, r.crop.scale[0], r.crop.scale[1], config.area_of, r.hed_p, r.macenko_p, r.randstainna_p, r.jitter_p,
        fmt::join(r.jitter, ", "), r.gray_p, r.blur_p, config.blur, r.solarize_p));
  };
  line("first global", 1, kFirstGlobal);
  line("other globals", config.n_global - 1, kOtherGlobal);
  line("locals", config.n_local, kLocal);
  if (config.n_undistorted() > 0) lines.push_back(fmt::format("undistorted globals {} x {} px", config.n_undistorted(), *config.undistorted_size_px));
  return lines;
}

}  // namespace eosin::data
