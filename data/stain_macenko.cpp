#include "data/stain_macenko.h"

#include <algorithm>
#include <cmath>

#include "data/percentile.h"

namespace eosin::data {
namespace {

constexpr int64_t kFewestPixels = 16;
constexpr double kLeastVariance = 1e-8, kLeastAmount = 1e-6;

using FloatTable = std::array<float, 256>;

FloatTable float_table(double io) {
  const auto exact = density_table(io);
  FloatTable table;
  std::transform(exact.begin(), exact.end(), table.begin(), [](double d) { return static_cast<float>(d); });
  return table;
}

template <class F>
void for_each_pixel(ImageView image, F f) {
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* p = image.row(y);
    for (int64_t x = 0; x < image.width; ++x, p += 3) f(p);
  }
}

/// Dark enough in all channels. The table falls, so that a density is a level.
struct Dark {
  int level;  // the brightest that is kept
  Dark(const std::array<double, 256>& density, double beta)
      : level(static_cast<int>(std::count_if(density.begin(), density.end(), [beta](double d) { return d >= beta; })) - 1) {}
  bool operator()(const uint8_t* p) const { return std::max({p[0], p[1], p[2]}) <= level; }
};

/// First and second moments of the densities of the kept pixels.
struct Moments {
  int64_t n = 0;
  Triple sum{};
  Matrix3 products{};

  Matrix3 covariance(bool centred) const {
    const auto count = static_cast<double>(n);
    Matrix3 m;
    for (size_t r = 0; r < 3; ++r)
      for (size_t c = 0; c < 3; ++c) m[r][c] = (products[r][c] - (centred ? sum[r] * sum[c] / count : 0)) / (count - 1);
    return m;
  }
};

Moments moments_of(ImageView image, const std::array<double, 256>& density, const Dark& dark) {
  Moments m;
  double s[3] = {}, rr = 0, rg = 0, rb = 0, gg = 0, gb = 0, bb = 0;
  for_each_pixel(image, [&](const uint8_t* p) {
    if (!dark(p)) return;
    const double r = density[p[0]], g = density[p[1]], b = density[p[2]];
    ++m.n;
    s[0] += r, s[1] += g, s[2] += b;
    rr += r * r, rg += r * g, rb += r * b, gg += g * g, gb += g * b, bb += b * b;
  });
  m.sum = {s[0], s[1], s[2]};
  m.products = {{{rr, rg, rb}, {rg, gg, gb}, {rb, gb, bb}}};
  return m;
}

Triple with_positive_red(const Triple& v) { return v[0] < 0 ? Triple{-v[0], -v[1], -v[2]} : v; }

/// Grows with atan2(y, x), from -2 to 2, and costs a division.
float turn(float y, float x) {
  const float norm = std::abs(x) + std::abs(y);
  const float p = norm > 0 ? 1 - x / norm : 0;
  return y < 0 ? -p : p;
}
double angle_of_turn(float turn) {
  const double t = static_cast<double>(turn), x = 1 - std::abs(t);
  return std::atan2(std::copysign(1 - std::abs(x), t), x);
}

/// Angles of the kept pixels in the plane of u and v, as turns.
std::vector<float>& turns_of(ImageView image, const FloatTable& density, const Dark& dark, const Triple& u, const Triple& v) {
  thread_local std::vector<float> turns;
  turns.clear();
  float a[3], b[3];
  for (size_t c = 0; c < 3; ++c) a[c] = static_cast<float>(u[c]), b[c] = static_cast<float>(v[c]);
  for_each_pixel(image, [&](const uint8_t* p) {
    if (!dark(p)) return;
    const float r = density[p[0]], g = density[p[1]], bl = density[p[2]];
    turns.push_back(turn(r * b[0] + g * b[1] + bl * b[2], r * a[0] + g * a[1] + bl * a[2]));
  });
  return turns;
}

Triple at_percentile(std::vector<float>& turns, double percent, const Triple& u, const Triple& v) {
  const Neighbours n = around_percentile(turns, percent);
  const double phi = n.mix(angle_of_turn(n.below), angle_of_turn(n.above));
  Triple out;
  for (size_t c = 0; c < 3; ++c) out[c] = u[c] * std::cos(phi) + v[c] * std::sin(phi);
  return out;
}

/// target * diag(scale) * unmixing, and target * shift.
DensityMap remixed(const StainVectors& source, const StainVectors& target, double io, const std::array<double, 2>& scale,
                   const std::array<double, 2>& shift) {
  const auto amounts = unmixing(source);
  DensityMap map{io, {}, {}};
  for (size_t s = 0; s < 2; ++s) {
    const Triple column = target.column(s);
    for (size_t c = 0; c < 3; ++c) {
      map.shift[c] += column[c] * shift[s];
      for (size_t k = 0; k < 3; ++k) map.matrix[c][k] += column[c] * scale[s] * amounts[s][k];
    }
  }
  return map;
}

}  // namespace

void MacenkoRule::visit(config::Visitor& v) {
  v("io", io, "intensity of the light where nothing absorbs", config::Range{1, 65536});
  v("beta", beta, "a pixel counts if its density is at least this in all channels", config::Range{0, 10});
  v("alpha", alpha, "percentile of the angles that stands for a stain, and 100 - this for the other", config::Range{0, 50});
  v("percentile", percentile, "percentile of a stain's amounts that is brought to the reference's", config::Range{0, 100});
  v("centred", centred, "the plane of the densities around their mean (Macenko's code); false: around zero");
}

Fitted<StainVectors> macenko_vectors(ImageView image, const MacenkoRule& rule) {
  const auto density = density_table(rule.io);
  const Dark dark(density, rule.beta);
  const Moments moments = moments_of(image, density, dark);
  if (moments.n < kFewestPixels) return StainFault::kTooLittleTissue;
  const Eigen3 e = symmetric_eigen(moments.covariance(rule.centred));
  if (e.values[2] < kLeastVariance) return StainFault::kDegenerateStains;
  const Triple u = with_positive_red(e.vectors[1]), v = with_positive_red(e.vectors[2]);
  auto& turns = turns_of(image, float_table(rule.io), dark, u, v);
  const Triple low = at_percentile(turns, rule.alpha, u, v);
  StainVectors stains = make_stain_vectors(low, at_percentile(turns, 100 - rule.alpha, u, v));
  if (are_one_stain(stains)) return StainFault::kDegenerateStains;
  return stains;
}

Fitted<StainVectors> macenko_fit(ImageView image, const MacenkoRule& rule) {
  const auto vectors = macenko_vectors(image, rule);
  if (!vectors) return vectors.fault();
  StainVectors stains = *vectors;
  auto amounts = macenko_concentrations(image, stains, rule.io);
  for (auto& of_stain : amounts) stains.max_c.push_back(percentile(of_stain, rule.percentile));
  if (std::min(stains.max_c[0], stains.max_c[1]) < kLeastAmount) return StainFault::kDegenerateStains;
  return stains;
}

std::array<std::vector<float>, 2> macenko_concentrations(ImageView image, const StainVectors& stains, double io) {
  const FloatTable density = float_table(io);
  const auto m = unmixing(stains);
  float w[2][3];
  for (size_t s = 0; s < 2; ++s)
    for (size_t c = 0; c < 3; ++c) w[s][c] = static_cast<float>(m[s][c]);
  std::array<std::vector<float>, 2> amounts;
  for (auto& a : amounts) a.reserve(static_cast<size_t>(image.height * image.width));
  for_each_pixel(image, [&](const uint8_t* p) {
    for (size_t s = 0; s < 2; ++s) amounts[s].push_back(w[s][0] * density[p[0]] + w[s][1] * density[p[1]] + w[s][2] * density[p[2]]);
  });
  return amounts;
}

DensityMap macenko_map(const StainVectors& source, const StainVectors& target, double io, ShownStains shown) {
  std::array<double, 2> scale;
  for (size_t s = 0; s < 2; ++s) scale[s] = target.max_c[s] / source.max_c[s];
  if (shown == ShownStains::kHaematoxylin) scale[1] = 0;
  if (shown == ShownStains::kEosin) scale[0] = 0;
  return remixed(source, target, io, scale, {0, 0});
}

DensityMap macenko_jitter_map(const StainVectors& stains, double io, const MacenkoJitter& jitter) {
  return remixed(stains, stains, io, jitter.scale, jitter.shift);
}

}  // namespace eosin::data
