#include "data/tile_order.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/rng.h"
#include "core/base/sha256.h"
#include "data/npy.h"

namespace eosin::data {
namespace {

constexpr uint64_t kAttemptsInGroup = 16;

/// What a row makes.
struct Parts {
  std::unique_ptr<Sampler> sampler;
  std::vector<TileGroup> groups = {};
  std::vector<GroupQuota> quotas = {};
  std::string digest = {};
};

struct UniformConfig {
  void visit(config::Visitor&) {}
};

struct BlockConfig {
  int64_t block = 256, window = 256;
  void visit(config::Visitor& v) {
    v("block", block, "consecutive tiles that are read together", config::Range{1, 1e9});
    v("window", window, "blocks that are shuffled together", config::Range{1, 1e9});
  }
};

struct ScheduleConfig {
  std::string file;
  void visit(config::Visitor& v) { v("file", file, "NumPy file of whole numbers: the tiles in the order wanted, repeated when it ends"); }
  void validate(config::Problems& p) const {
    if (file.empty()) p.add("file", "need the list of tiles (numpy.save of whole numbers)");
  }
};

Parts make_uniform(const UniformConfig&, const TileSource& source, uint64_t seed) { return {uniform_sampler(source.n_tiles(), seed)}; }

Parts make_block(const BlockConfig& c, const TileSource& source, uint64_t seed) {
  return {block_sampler(source.n_tiles(), static_cast<uint64_t>(c.block), static_cast<uint64_t>(c.window), seed)};
}

Parts make_quota(const QuotaConfig& c, const TileSource& source, uint64_t seed) {
  Parts parts{nullptr, source.groups(c.by)};
  parts.quotas = make_quotas(c, parts.groups);
  std::vector<uint64_t> sizes, quotas;
  std::string text;
  for (const GroupQuota& q : parts.quotas) {
    sizes.push_back(q.tiles), quotas.push_back(q.quota);
    text += fmt::format("{} {}\n", q.tiles, q.quota);
  }
  parts.sampler = quota_sampler(std::move(sizes), std::move(quotas), seed);
  parts.digest = sha256(text);
  return parts;
}

Parts make_schedule(const ScheduleConfig& c, const TileSource& source, uint64_t) {
  const Tensor list = read_npy(c.file);
  EOSIN_CHECK(list.dim() == 1 && at::isIntegralType(list.scalar_type(), /*includeBool=*/false), Data,
              "[{}] is no list of tiles (need one row of whole numbers)", c.file);
  const Tensor numbers = list.to(at::kLong).contiguous();
  const auto* begin = numbers.const_data_ptr<int64_t>();
  std::vector<uint64_t> indices(begin, begin + numbers.numel());
  for (const uint64_t i : indices)
    EOSIN_CHECK(i < source.n_tiles(), Data, "[{}] names tile {}, but there are {}", c.file, static_cast<int64_t>(i), source.n_tiles());
  std::string digest = sha256({reinterpret_cast<const char*>(begin), static_cast<size_t>(numbers.nbytes())});
  return {list_sampler(std::move(indices)), {}, {}, std::move(digest)};
}

struct Row {
  config::ConfigRow row;
  std::function<Parts(const config::AnyConfig&, const TileSource&, uint64_t)> make;
};

template <class C>
Row row(std::string name, std::string one_line, std::string source, Parts (*make)(const C&, const TileSource&, uint64_t)) {
  return {{std::move(name), std::move(one_line), std::move(source), [] { return std::make_unique<config::ConfigOf<C>>(); }},
          [make](const config::AnyConfig& c, const TileSource& tiles, uint64_t seed) {
            return make(dynamic_cast<const config::ConfigOf<C>&>(c).value, tiles, seed);
          }};
}

const std::vector<Row>& table() {
  static const std::vector<Row> rows = {
      row("uniform", "each pass a permutation of its own over all tiles", "this project: a keyed bijection, nothing is stored", make_uniform),
      row("block", "blocks of neighbours in random order, shuffled inside windows: for disks that hate random reads, and for slides", "this project",
          make_block),
      row("quota", "exact shares of groups (slides, patients, clusters, stores), each group without repetition",
          "Dippel 2024, arXiv:2401.04079 (RudolfV)", make_quota),
      row("schedule", "the tiles that a file lists, in its order", "this project", make_schedule),
  };
  return rows;
}

}  // namespace

const std::vector<config::ConfigRow>& tile_orders() {
  static const std::vector<config::ConfigRow> rows = [] {
    std::vector<config::ConfigRow> all;
    for (const Row& r : table()) all.push_back(r.row);
    return all;
  }();
  return rows;
}

TileOrder::TileOrder(const config::Choice& choice, const TileSource& source, uint64_t seed) : n_(source.n_tiles()), seed_(seed) {
  EOSIN_CHECK(n_ > 0, Data, "[data] there is no tile to draw; tile slides first, or look at why they give none");
  const auto found = std::find_if(table().begin(), table().end(), [&](const Row& r) { return r.row.name == choice.name(); });
  EOSIN_ASSERT(found != table().end());
  Parts parts = found->make(choice.config(), source, seed);
  sampler_ = std::move(parts.sampler);
  groups_ = std::move(parts.groups);
  quotas_ = std::move(parts.quotas);
  digest_ = std::move(parts.digest);
}

uint64_t TileOrder::at(uint64_t position) const {
  const Sample sample = sampler_->at(position);
  return groups_.empty() ? sample.index : groups_[sample.group].tiles[sample.index];
}

uint64_t TileOrder::replacement(uint64_t position, uint64_t attempt) const {
  RandomStream stream(seed_, position, static_cast<uint32_t>(attempt), RandomOp::kReplace);
  const uint64_t high = stream.word(), draw = (high << 32) | stream.word();
  if (groups_.empty()) return draw % n_;
  if (attempt > kAttemptsInGroup) return at(draw);  // of any group, in the order's proportions
  const TileRanges& group = groups_[sampler_->at(position).group].tiles;
  return group[draw % group.size()];
}

}  // namespace eosin::data
