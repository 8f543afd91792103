#include "data/stain_vahadane.h"

#include <algorithm>
#include <cmath>

#include "data/lane_math.h"
#include "data/percentile.h"
#include "data/pixel_lanes.h"
#include "data/stain_sample.h"

namespace eosin::data {
namespace {

constexpr size_t kFewestPixels = 16;
constexpr int kRounds = 200;
constexpr double kEnough = 1e-7, kLeastAmount = 1e-6, kLeastDensity = 1e-6;
constexpr Triple kRuifrokH = {0.65, 0.70, 0.29}, kRuifrokE = {0.07, 0.99, 0.11};

double objective_of(const Triple& density, const std::array<Triple, 2>& rows, const std::array<double, 2>& c, double lambda) {
  double squares = 0;
  for (size_t k = 0; k < 3; ++k) {
    const double rest = density[k] - c[0] * rows[0][k] - c[1] * rows[1][k];
    squares += rest * rest;
  }
  return 0.5 * squares + lambda * (c[0] + c[1]);
}

/// What one round of the dictionary needs of all pixels.
struct Sums {
  double amounts[2][2] = {};  // of c_i c_j
  Triple densities[2] = {};   // of c_i density
  double objective = 0;
};
Sums sums_of(std::span<const Triple> densities, const std::array<Triple, 2>& rows, double lambda) {
  Sums s;
  for (const Triple& d : densities) {
    const StainAmounts a = vahadane_amounts(d, rows, lambda);
    s.objective += a.objective;
    for (size_t i = 0; i < 2; ++i) {
      for (size_t j = 0; j < 2; ++j) s.amounts[i][j] += a.c[i] * a.c[j];
      for (size_t k = 0; k < 3; ++k) s.densities[i][k] += a.c[i] * d[k];
    }
  }
  s.objective /= static_cast<double>(densities.size());
  return s;
}

/// The best row i for the other row and the amounts, among those that are not negative and at most of length 1. A shorter one becomes a unit
/// vector of smaller amounts: the product stays, the penalty falls.
bool renew(std::array<Triple, 2>& rows, size_t i, Sums& s) {
  const size_t other = 1 - i;
  if (s.amounts[i][i] <= 0) return false;
  Triple row;
  for (size_t k = 0; k < 3; ++k) row[k] = std::max(0.0, (s.densities[i][k] - s.amounts[i][other] * rows[other][k]) / s.amounts[i][i]);
  const double size = length(row);
  if (size == 0) return false;
  rows[i] = unit(row);
  if (size >= 1) return true;
  s.amounts[i][other] *= size, s.amounts[other][i] *= size, s.amounts[i][i] *= size * size;
  for (double& d : s.densities[i]) d *= size;
  return true;
}

std::array<double, 256> density_levels() {
  std::array<double, 256> table;
  for (size_t v = 0; v < 256; ++v) table[v] = std::max(-std::log(std::max(static_cast<double>(v), 1.0) / 255), kLeastDensity);
  return table;
}
const std::array<double, 256> kDensity = density_levels();

std::vector<Triple> tissue_densities(ImageView image, int64_t max_pixels) {
  const Image tissue = tissue_pixels(image, max_pixels);
  std::vector<Triple> out;
  for (size_t i = 0; i < tissue.rgb.size(); i += 3) out.push_back(vahadane_density(&tissue.rgb[i]));
  return out;
}

/// The same solution for eight pixels and rows that are not negative, where a stain that would be negative is absent from the best.
struct FloatUnmixing {
  float row[2][3], gram01, inverse_det, lambda;

  FloatUnmixing(const StainVectors& stains, double l) : lambda(static_cast<float>(l)) {
    const Triple h = unit(stains.column(0)), e = unit(stains.column(1));
    for (size_t k = 0; k < 3; ++k) row[0][k] = static_cast<float>(h[k]), row[1][k] = static_cast<float>(e[k]);
    gram01 = static_cast<float>(dot(h, e));
    inverse_det = static_cast<float>(1 / (1 - dot(h, e) * dot(h, e)));
  }
  void operator()(const FloatLanes (&d)[3], FloatLanes (&c)[2]) const {
    FloatLanes b[2];
    for (int s = 0; s < 2; ++s) b[s] = d[0] * row[s][0] + d[1] * row[s][1] + d[2] * row[s][2] - lambda;
    const FloatLanes both[2] = {(b[0] - gram01 * b[1]) * inverse_det, (b[1] - gram01 * b[0]) * inverse_det}, none{};
    for (int s = 0; s < 2; ++s) c[s] = both[s] < 0 ? none : both[1 - s] < 0 ? max(b[s], none) : both[s];
  }
};

}  // namespace

void VahadaneRule::visit(config::Visitor& v) {
  const config::Range weight{0, 10};
  v("dictionary_lambda", dictionary_lambda, "weight of sparsity while the stains are learnt", weight);
  v("lambda", lambda, "weight of sparsity of a pixel's amounts", weight);
  v("percentile", percentile, "percentile of a stain's amounts that is brought to the reference's", config::Range{0, 100});
  v("max_pixels", max_pixels, "tissue pixels that the stains are learnt from", config::Range{16, 1e7});
}

void VahadaneFit::validate(config::Problems& p) const {
  stains.validate(p);
  const auto negative = [](double v) { return v < 0; };
  if (std::any_of(stains.h.begin(), stains.h.end(), negative) || std::any_of(stains.e.begin(), stains.e.end(), negative))
    p.add("h", "a stain of Vahadane's does not emit light: its densities are not negative");
}

Triple vahadane_density(const uint8_t* rgb) { return {kDensity[rgb[0]], kDensity[rgb[1]], kDensity[rgb[2]]}; }

StainAmounts vahadane_amounts(const Triple& density, const std::array<Triple, 2>& rows, double lambda) {
  const double g00 = dot(rows[0], rows[0]), g01 = dot(rows[0], rows[1]), g11 = dot(rows[1], rows[1]), det = g00 * g11 - g01 * g01;
  const double b0 = dot(density, rows[0]) - lambda, b1 = dot(density, rows[1]) - lambda;
  StainAmounts best{{0, 0}, objective_of(density, rows, {0, 0}, lambda)};
  const auto consider = [&](const std::array<double, 2>& c) {
    if (!(c[0] >= 0 && c[1] >= 0)) return;
    const double objective = objective_of(density, rows, c, lambda);
    if (objective < best.objective) best = {c, objective};
  };
  if (det > 0) consider({(g11 * b0 - g01 * b1) / det, (g00 * b1 - g01 * b0) / det});
  if (g00 > 0) consider({b0 / g00, 0});
  if (g11 > 0) consider({0, b1 / g11});
  return best;
}

Fitted<StainDictionary> learn_stains(std::span<const Triple> densities, double lambda) {
  StainDictionary d{{unit(kRuifrokH), unit(kRuifrokE)}, {}};
  for (int round = 0;; ++round) {
    Sums sums = sums_of(densities, d.rows, lambda);
    const bool settled = round > 0 && d.objective.back() - sums.objective <= kEnough * d.objective.front();
    d.objective.push_back(sums.objective);
    if (settled || round == kRounds) break;
    if (!renew(d.rows, 0, sums) || !renew(d.rows, 1, sums)) return StainFault::kDegenerateStains;
  }
  if (d.rows[1][0] > d.rows[0][0]) std::swap(d.rows[0], d.rows[1]);
  return d;
}

Fitted<StainVectors> vahadane_fit(ImageView image, const VahadaneRule& rule) {
  const std::vector<Triple> densities = tissue_densities(image, rule.max_pixels);
  if (densities.size() < kFewestPixels) return StainFault::kTooLittleTissue;
  const auto learnt = learn_stains(densities, rule.dictionary_lambda);
  if (!learnt) return learnt.fault();
  StainVectors stains = make_stain_vectors(learnt->rows[0], learnt->rows[1]);
  if (are_one_stain(stains)) return StainFault::kDegenerateStains;
  std::array<std::vector<float>, 2> amounts;
  for (const Triple& d : densities) {
    const StainAmounts a = vahadane_amounts(d, learnt->rows, rule.lambda);
    for (size_t s = 0; s < 2; ++s) amounts[s].push_back(static_cast<float>(a.c[s]));
  }
  for (auto& of_stain : amounts) stains.max_c.push_back(percentile(of_stain, rule.percentile));
  if (std::min(stains.max_c[0], stains.max_c[1]) < kLeastAmount) return StainFault::kDegenerateStains;
  return stains;
}

void vahadane_apply(const StainVectors& source, const StainVectors& target, double lambda, ImageView in, Image& out) {
  const FloatUnmixing unmix(source, lambda);
  std::array<float, 256> density;
  std::transform(kDensity.begin(), kDensity.end(), density.begin(), [](double v) { return static_cast<float>(v); });
  float mix[2][3];
  for (size_t s = 0; s < 2; ++s)
    for (size_t k = 0; k < 3; ++k) mix[s][k] = static_cast<float>(-target.column(s)[k] * target.max_c[s] / source.max_c[s]);
  out.height = in.height, out.width = in.width;
  out.rgb.resize(static_cast<size_t>(3 * in.height * in.width));
  for (int64_t y = 0; y < in.height; ++y)
    for (int64_t x = 0; x < in.width; x += kLanes) {
      const int64_t count = std::min(kLanes, in.width - x);
      FloatLanes d[3], c[2];
      load_pixels(d, in.row(y) + 3 * x, count, density);
      unmix(d, c);
      for (int i = 0; i < 3; ++i) d[i] = 255 * exp(c[0] * mix[0][i] + c[1] * mix[1][i]);
      store_pixels(out.row(y) + 3 * x, d, count);
    }
}

}  // namespace eosin::data
