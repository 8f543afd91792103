#include "data/stain_vectors.h"

#include <fmt/format.h>

#include <cmath>

#include "core/base/error.h"

namespace eosin::data {
namespace {

constexpr double kUnitSlack = 0.01;  // numbers of papers are rounded

}  // namespace

void StainVectors::visit(config::Visitor& v) {
  const config::Range unit{-1, 1};
  v("h", h, "optical density of haematoxylin, R G B, of length 1; empty: not fitted", unit, config::Length{0, 3});
  v("e", e, "optical density of eosin", unit, config::Length{0, 3});
  v("max_c", max_c, "a high percentile of the amounts of both", config::Range{0, 1000, config::kOpenLow}, config::Length{0, 2});
}

void StainVectors::validate(config::Problems& p) const {
  if (h.empty() && e.empty() && max_c.empty()) return;
  if (h.size() != 3 || e.size() != 3 || max_c.size() != 2) {
    p.add("h", fmt::format("need h and e of three numbers and max_c of two, or none of them (got {}, {}, {})", h.size(), e.size(), max_c.size()));
    return;
  }
  const auto is_unit = [](const Triple& t) { return std::abs(length(t) - 1) < kUnitSlack; };
  if (!is_unit(column(0)) || !is_unit(column(1)))
    p.add("h", fmt::format("h and e need length 1 (got {}, {})", length(column(0)), length(column(1))));
  else if (are_one_stain(*this))
    p.add("h", "h and e are one stain");
}

Triple StainVectors::column(size_t stain) const {
  const std::vector<double>& v = stain == 0 ? h : e;
  EOSIN_ASSERT(v.size() == 3);
  return {v[0], v[1], v[2]};
}

StainVectors make_stain_vectors(const Triple& a, const Triple& b) {
  const Triple &h = a[0] > b[0] ? a : b, &e = a[0] > b[0] ? b : a;
  return {{h.begin(), h.end()}, {e.begin(), e.end()}, {}};
}

bool are_one_stain(const StainVectors& stains) { return length(cross(stains.column(0), stains.column(1))) < kLeastStainAngle; }

std::array<Triple, 2> unmixing(const StainVectors& stains) {
  const Triple h = stains.column(0), e = stains.column(1);
  const double hh = dot(h, h), he = dot(h, e), ee = dot(e, e), det = hh * ee - he * he;
  std::array<Triple, 2> out;
  for (size_t c = 0; c < 3; ++c) {
    out[0][c] = (ee * h[c] - he * e[c]) / det;
    out[1][c] = (hh * e[c] - he * h[c]) / det;
  }
  return out;
}

}  // namespace eosin::data
