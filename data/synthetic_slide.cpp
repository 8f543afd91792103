#include "data/synthetic_slide.h"

#include "core/base/rng.h"
#include "data/synthetic_noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace eosin::data {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;
constexpr int64_t kBlock = 256;       // edge of the blocks that are drawn one after another
constexpr float kLargestNucleus = 9;  // um

/// What a random stream is for: its `view`.
enum Layer : uint32_t { kOutline = 1, kGlands, kTumourNuclei, kStromaNuclei, kLymphocytes };

float smoothstep(float low, float high, float v) {
  const float t = std::clamp((v - low) / (high - low), 0.0f, 1.0f);
  return t * t * (3 - 2 * t);
}

/// An ellipse with the frame that measures distance from its centre: 1 on the border. Micrometres.
struct Ellipse {
  float x = 0, y = 0, a = 1, b = 1, angle = 0;
  float reach() const { return std::max(a, b); }
};

/// A ring of epithelium around a lumen, which is `lumen` times as wide.
struct Gland {
  Ellipse shape;
  float lumen;
  RandomStream random;  // of its nuclei
};

enum class Kind { kGlass, kStroma, kTumour, kLymphoid };

class Painter {
 public:
  explicit Painter(const SyntheticSlideSpec& spec)
      : spec_(spec),
        noise_(spec.seed),
        mpp_(static_cast<float>(spec.mpp)),
        tissue_(spec.width, spec.height, kTruthDownsample),
        tumour_(spec.width, spec.height, kTruthDownsample),
        lymphoid_(spec.width, spec.height, kTruthDownsample) {
    lay_tissue();
    lay_tumour();
    lay_lymphoid();
    lay_glands();
    for (size_t i = 0; i < transmission_.size(); ++i) transmission_[i] = std::exp(-static_cast<float>(i) * kAbsorbanceStep);
  }

  void paint(Image& image) const {
    for (int64_t y = 0; y < spec_.height; y += kBlock)
      for (int64_t x = 0; x < spec_.width; x += kBlock)
        paint_block(image, {y, x, std::min(kBlock, spec_.height - y), std::min(kBlock, spec_.width - x)});
  }

  /// Cells whose centre is of that kind.
  template <class Is>
  Mask truth(Is is) const {
    Mask mask((spec_.height + kTruthDownsample - 1) / kTruthDownsample, (spec_.width + kTruthDownsample - 1) / kTruthDownsample);
    for (int64_t v = 0; v < mask.height; ++v)
      for (int64_t u = 0; u < mask.width; ++u)
        mask.row(v)[u] = is(kind((static_cast<float>(u) + 0.5f) * kTruthDownsample, (static_cast<float>(v) + 0.5f) * kTruthDownsample));
    return mask;
  }

 private:
  // ------------------------------------------------------------------------------------------ where things are
  float waves(float x, float y, float scale) const {
    return noise_(x / scale, y / scale) + 0.5f * noise_(x / scale * 2 + 17, y / scale * 2 + 5) +
           0.25f * noise_(x / scale * 4 + 3, y / scale * 4 + 29);
  }

  void lay_tissue() {
    RandomStream random(spec_.seed, 0, kOutline, RandomOp::kSynthetic);
    struct Blob {
      float x, y, rx, ry;
    };
    const auto w = static_cast<float>(spec_.width), h = static_cast<float>(spec_.height);
    std::vector<Blob> blobs = {{w * random.uniform(0.42f, 0.55f), h * random.uniform(0.45f, 0.55f), w * 0.36f, h * 0.36f}};
    for (uint32_t extra = 1 + random.below(2); extra > 0; --extra)
      blobs.push_back(
          {w * random.uniform(0.2f, 0.8f), h * random.uniform(0.2f, 0.8f), w * random.uniform(0.12f, 0.2f), h * random.uniform(0.12f, 0.2f)});
    tissue_.fill([&](float x, float y) {
      float inside = -1;
      for (const Blob& b : blobs) inside = std::max(inside, 1 - std::hypot((x - b.x) / b.rx, (y - b.y) / b.ry));
      return inside + 0.22f * waves(x * mpp_, y * mpp_, 260);
    });
  }

  void lay_tumour() {
    const auto share = static_cast<float>(spec_.tumour_share);
    tumour_.fill([&](float x, float y) { return share > 0 ? 0.6f * waves(x * mpp_ + 900, y * mpp_ + 400, 420) + 1.6f * share - 0.7f : -1.0f; });
  }

  void lay_lymphoid() {
    lymphoid_.fill([&](float x, float y) {
      float inside = -1;
      for (const PlantedRegion& r : spec_.lymphoid)
        inside = std::max(inside, static_cast<float>(1 - std::hypot(x - r.x, y - r.y) / r.radius) + 0.2f * waves(x * mpp_, y * mpp_, 60));
      return inside;
    });
  }

  void lay_glands() {
    for_each_point({0, 0, spec_.height, spec_.width}, kGlands, 92, 0.5f, 0, [&](RandomStream& random, float x, float y) {
      const Gland gland{{x, y, random.uniform(24, 38), random.uniform(22, 34), random.uniform(0, kPi)}, random.uniform(0.3f, 0.5f), random};
      if (random.uniform() > 0.2f && kind_um(x, y) == Kind::kStroma && tissue_.at(x / mpp_, y / mpp_) > 0.06f) glands_.push_back(gland);
    });
  }

  Kind kind(float x, float y) const {
    if (tissue_.at(x, y) <= 0) return Kind::kGlass;
    if (lymphoid_.at(x, y) > 0) return Kind::kLymphoid;
    return tumour_.at(x, y) > 0 ? Kind::kTumour : Kind::kStroma;
  }
  Kind kind_um(float x, float y) const { return kind(x / mpp_, y / mpp_); }
  /// Nests of tumour cells between bands of stroma.
  bool in_nest(float x, float y) const { return noise_(x / 48 + 61, y / 48 + 7) + 0.4f * noise_(x / 19, y / 19 + 33) > -0.28f; }

  // ------------------------------------------------------------------------------------------ one block
  /// Amounts of the two stains in a block; `at` is its place in pixels.
  struct Block {
    Box at;
    std::vector<float> haematoxylin, eosin;
    size_t index(int64_t y, int64_t x) const { return static_cast<size_t>((y - at.top) * at.width + (x - at.left)); }
  };

  void paint_block(Image& image, const Box& at) const {
    Block block{at, std::vector<float>(static_cast<size_t>(at.height * at.width)), std::vector<float>(static_cast<size_t>(at.height * at.width))};
    if (paint_ground(block)) {
      paint_glands(block);
      paint_nuclei(block);
    }
    develop(block, image);
  }

  /// Returns whether the block has tissue.
  bool paint_ground(Block& block) const {
    bool any = false;
    for (int64_t y = block.at.top; y < block.at.top + block.at.height; ++y) {
      for (int64_t x = block.at.left; x < block.at.left + block.at.width; ++x) {
        const auto px = static_cast<float>(x), py = static_cast<float>(y);
        const float depth = tissue_.at(px, py);
        if (depth <= 0) continue;
        any = true;
        const float edge = smoothstep(0, 0.02f, depth);
        const auto [h, e] = ground(px, py);
        block.haematoxylin[block.index(y, x)] = edge * h;
        block.eosin[block.index(y, x)] = edge * e;
      }
    }
    return any;
  }

  std::array<float, 2> ground(float px, float py) const {
    const float x = px * mpp_, y = py * mpp_;
    if (lymphoid_.at(px, py) > 0) return {0.14f, 0.16f};
    const float fine = noise_(x / 3, y / 3);
    if (tumour_.at(px, py) > 0 && in_nest(x, y)) return {0.2f + 0.05f * fine, 0.26f + 0.06f * fine};
    return {0.03f + 0.01f * fine, stroma_eosin(x, y)};
  }

  /// Wavy collagen: noise stretched along a direction that drifts, with clear gaps between bundles.
  float stroma_eosin(float x, float y) const {
    const float drift = 34 * noise_(x / 130 + 11, y / 130);
    const float across = 0.8f * x - 0.6f * y + drift, along = 0.6f * x + 0.8f * y;
    const float fibre = 0.65f * noise_(across / 5, along / 40) + 0.35f * noise_(across / 1.8f + 9, along / 18);
    const float bundle = noise_(across / 16 + 40, along / 90);
    return std::max(0.03f, (0.36f + 0.24f * fibre + 0.1f * bundle) * smoothstep(-0.75f, -0.4f, fibre + 0.5f * bundle));
  }

  // ------------------------------------------------------------------------------------------ jittered grids
  /// Calls use(random, x, y) for one point of every cell of a grid of `spacing` um whose point may touch the box with `reach` um.
  template <class Use>
  void for_each_point(const Box& at, Layer layer, float spacing, float jitter, float reach, Use use) const {
    const auto first = [&](int64_t px) { return static_cast<int64_t>(std::floor((static_cast<float>(px) * mpp_ - reach) / spacing)); };
    for (int64_t r = first(at.top); r <= first(at.top + at.height) + static_cast<int64_t>(2 * reach / spacing) + 1; ++r) {
      for (int64_t c = first(at.left); c <= first(at.left + at.width) + static_cast<int64_t>(2 * reach / spacing) + 1; ++c) {
        const uint64_t cell = (static_cast<uint64_t>(static_cast<uint32_t>(r)) << 32) | static_cast<uint32_t>(c);
        RandomStream random(spec_.seed, cell, layer, RandomOp::kSynthetic);
        const float x = (static_cast<float>(c) + 0.5f + jitter * random.uniform(-0.5f, 0.5f)) * spacing;
        const float y = (static_cast<float>(r) + 0.5f + jitter * random.uniform(-0.5f, 0.5f)) * spacing;
        use(random, x, y);
      }
    }
  }

  /// Calls use(index, rho, x, y) for every pixel of the block inside `limit` times the ellipse; rho is 1 on its border.
  template <class Use>
  void for_each_inside(Block& block, const Ellipse& e, float limit, Use use) const {
    const float reach = e.reach() * limit, cosine = std::cos(e.angle), sine = std::sin(e.angle);
    const auto low = [&](float um, int64_t start) { return std::max(start, static_cast<int64_t>(std::floor((um - reach) / mpp_))); };
    const auto high = [&](float um, int64_t end) { return std::min(end, static_cast<int64_t>(std::ceil((um + reach) / mpp_)) + 1); };
    for (int64_t y = low(e.y, block.at.top); y < high(e.y, block.at.top + block.at.height); ++y) {
      for (int64_t x = low(e.x, block.at.left); x < high(e.x, block.at.left + block.at.width); ++x) {
        const float dx = static_cast<float>(x) * mpp_ - e.x, dy = static_cast<float>(y) * mpp_ - e.y;
        const float u = (dx * cosine + dy * sine) / e.a, v = (dy * cosine - dx * sine) / e.b;
        const float rho = std::sqrt(u * u + v * v);
        if (rho < limit) use(block.index(y, x), rho, static_cast<float>(x) * mpp_, static_cast<float>(y) * mpp_);
      }
    }
  }

  // ------------------------------------------------------------------------------------------ glands and nuclei
  void paint_glands(Block& block) const {
    for (const Gland& gland : glands_) {
      for_each_inside(block, gland.shape, 1.15f, [&](size_t i, float rho, float x, float y) {
        const float r = rho + 0.1f * noise_(x / 9, y / 9);
        if (r > 1) return;
        const float wall = smoothstep(gland.lumen - 0.05f, gland.lumen + 0.05f, r);
        block.haematoxylin[i] = wall * (0.1f + 0.1f * r);
        block.eosin[i] = wall * (0.3f + 0.08f * noise_(x / 2.5f, y / 2.5f)) + (1 - wall) * 0.02f;
      });
      paint_gland_nuclei(block, gland);
    }
  }

  /// A ring of nuclei at the base of the epithelium.
  void paint_gland_nuclei(Block& block, const Gland& g) const {
    const Ellipse& gland = g.shape;
    RandomStream random = g.random;
    const auto count = static_cast<int>(2 * kPi * 0.8f * (gland.a + gland.b) / 2 / 6.2f);
    for (int k = 0; k < count; ++k) {
      const float turn = 2 * kPi * (static_cast<float>(k) + random.uniform(-0.25f, 0.25f)) / static_cast<float>(count);
      const float u = 0.8f * gland.a * std::cos(turn), v = 0.8f * gland.b * std::sin(turn);
      const float x = gland.x + u * std::cos(gland.angle) - v * std::sin(gland.angle),
                  y = gland.y + u * std::sin(gland.angle) + v * std::cos(gland.angle);
      paint_nucleus(block, {x, y, random.uniform(3.8f, 5), random.uniform(2.3f, 2.9f), std::atan2(y - gland.y, x - gland.x)},
                    random.uniform(0.9f, 1.15f));
    }
  }

  void paint_nuclei(Block& block) const {
    for_each_point(block.at, kTumourNuclei, 9.4f, 0.75f, kLargestNucleus, [&](RandomStream& random, float x, float y) {
      if (random.uniform() < 0.1f || kind_um(x, y) != Kind::kTumour || !in_nest(x, y)) return;
      const float a = random.uniform(3.3f, 6.2f);
      const Ellipse nucleus{x, y, a, a * random.uniform(0.62f, 1), random.uniform(0, kPi)};
      paint_nucleus(block, nucleus, random.uniform(0.65f, 1.2f));
      paint_nucleus(block, {x + random.uniform(-1, 1), y + random.uniform(-1, 1), 1, 1, 0}, 1.7f);
    });
    for_each_point(block.at, kStromaNuclei, 21, 0.9f, kLargestNucleus, [&](RandomStream& random, float x, float y) {
      const bool bare = kind_um(x, y) == Kind::kStroma || (kind_um(x, y) == Kind::kTumour && !in_nest(x, y));
      if (random.uniform() < 0.35f || !bare || in_gland(x, y)) return;
      const float along = 0.93f + 0.35f * noise_(x / 60, y / 60);
      paint_nucleus(block, {x, y, random.uniform(4.5f, 7), random.uniform(1.1f, 1.6f), along}, random.uniform(0.8f, 1.1f));
    });
    for_each_point(block.at, kLymphocytes, 5.5f, 1, kLargestNucleus, [&](RandomStream& random, float x, float y) {
      const Kind k = kind_um(x, y);
      const bool scattered = k == Kind::kStroma && random.uniform() < 0.012f && !in_gland(x, y);
      if (k != Kind::kLymphoid && !scattered) return;
      const float r = random.uniform(2.2f, 2.8f);
      paint_nucleus(block, {x, y, r, r * random.uniform(0.9f, 1), 0}, random.uniform(1.25f, 1.6f));
    });
  }

  bool in_gland(float x, float y) const {
    return std::any_of(glands_.begin(), glands_.end(),
                       [&](const Gland& g) { return std::hypot(x - g.shape.x, y - g.shape.y) < g.shape.reach() + 2; });
  }

  void paint_nucleus(Block& block, const Ellipse& e, float strength) const {
    for_each_inside(block, e, 1.12f, [&](size_t i, float rho, float x, float y) {
      const float chromatin = 0.85f + 0.2f * noise_(x / 0.9f, y / 0.9f) + 0.12f * smoothstep(0.6f, 0.95f, rho);
      const float body = 1 - smoothstep(0.86f, 1.12f, rho);
      block.haematoxylin[i] = std::max(block.haematoxylin[i], body * strength * chromatin);
      block.eosin[i] *= 1 - 0.35f * body;
    });
  }

  // ------------------------------------------------------------------------------------------ light
  void develop(const Block& block, Image& image) const {
    const StainLook& look = spec_.look;
    const auto marks = marks_near(block.at);
    for (int64_t y = block.at.top; y < block.at.top + block.at.height; ++y) {
      for (int64_t x = block.at.left; x < block.at.left + block.at.width; ++x) {
        const size_t i = block.index(y, x);
        const float h = look.haematoxylin_amount * block.haematoxylin[i], e = look.eosin_amount * block.eosin[i];
        const float grain = 1.6f * noise_.grain(x, y);
        const auto ink = ink_at(marks, static_cast<double>(x), static_cast<double>(y));
        for (size_t c = 0; c < 3; ++c) {
          const float light = look.glass[c] * transmission(h * look.haematoxylin[c] + e * look.eosin[c]) * ink[c];
          image.row(y)[3 * x + static_cast<int64_t>(c)] = static_cast<uint8_t>(std::clamp(light + grain + 0.5f, 0.0f, 255.0f));
        }
      }
    }
  }

  float transmission(float absorbance) const {
    const auto i = static_cast<size_t>(std::max(0.0f, absorbance) / kAbsorbanceStep);
    return transmission_[std::min(i, transmission_.size() - 1)];
  }

  /// A stroke as a chain of points, near enough to each other to be drawn as discs.
  struct Stroke {
    const PenMark* mark;
    std::vector<std::array<double, 2>> points;
  };

  std::vector<Stroke> marks_near(const Box& at) const {
    std::vector<Stroke> strokes;
    for (const PenMark& m : spec_.pen) {
      Stroke s{&m, {}};
      for (int k = 0; k <= 400; ++k) {
        const double t = k / 400.0, a = (1 - t) * (1 - t), b = 2 * t * (1 - t), c = t * t;
        const double x = a * m.from[0] + b * m.over[0] + c * m.to[0], y = a * m.from[1] + b * m.over[1] + c * m.to[1];
        const auto left = static_cast<double>(at.left), top = static_cast<double>(at.top);
        const bool near = x > left - m.width && x < left + static_cast<double>(at.width) + m.width && y > top - m.width &&
                          y < top + static_cast<double>(at.height) + m.width;
        if (near) s.points.push_back({x, y});
      }
      if (!s.points.empty()) strokes.push_back(std::move(s));
    }
    return strokes;
  }

  std::array<float, 3> ink_at(const std::vector<Stroke>& strokes, double x, double y) const {
    std::array<float, 3> pass = {1, 1, 1};
    for (const Stroke& s : strokes) {
      double nearest = 1e300;
      for (const auto& p : s.points) nearest = std::min(nearest, (p[0] - x) * (p[0] - x) + (p[1] - y) * (p[1] - y));
      const double half = s.mark->width / 2;
      const float cover = 1 - smoothstep(0.93f, 1.0f, static_cast<float>(std::sqrt(nearest) / half));
      for (size_t c = 0; c < 3; ++c) pass[c] *= 1 - cover * (1 - s.mark->ink[c]);
    }
    return pass;
  }

  static constexpr float kAbsorbanceStep = 1.0f / 1024;
  const SyntheticSlideSpec& spec_;
  Noise noise_;
  float mpp_;
  Field tissue_, tumour_, lymphoid_;
  std::vector<Gland> glands_;
  std::array<float, 4096> transmission_;
};

}  // namespace

SyntheticSlide draw_slide(const SyntheticSlideSpec& spec) {
  SyntheticSlide slide;
  slide.image = Image(spec.height, spec.width);
  Painter painter(spec);
  painter.paint(slide.image);
  slide.tissue = painter.truth([](Kind k) { return k != Kind::kGlass; });
  slide.tumour = painter.truth([](Kind k) { return k == Kind::kTumour; });
  slide.lymphoid = painter.truth([](Kind k) { return k == Kind::kLymphoid; });
  return slide;
}

}  // namespace eosin::data
