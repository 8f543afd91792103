#include "tests/golden/runner.h"

#include "core/tensor/safetensors.h"
#include "data/sampler.h"

#include <ATen/ATen.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace eosin::golden {
namespace {

Results safetensors(const Case& c) {
  const std::string bytes = c.bytes("in.bytes");
  Results out;
  for (auto& [name, t] : parse_safetensors({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, c.path).tensors) out["out." + name] = t;
  return out;
}

uint64_t seed_of(const Case& c) { return std::stoull(c.config.at("seed").get<std::string>()); }

Results feistel_permutation(const Case& c) {
  const data::Permutation order(c.config["n"], seed_of(c), c.config["epoch"], c.config["stream"], c.config["rounds"]);
  Tensor index = c.at("in.position").clone();
  for (int64_t& p : std::span(index.mutable_data_ptr<int64_t>(), static_cast<size_t>(index.numel())))
    p = static_cast<int64_t>(order(static_cast<uint64_t>(p)));
  return {{"out.index", index}};
}

std::unique_ptr<data::Sampler> sampler_of(const Case& c) {
  const std::string mode = c.config["mode"];
  if (mode == "uniform") return data::uniform_sampler(c.config["n"], seed_of(c));
  if (mode == "block") return data::block_sampler(c.config["n"], c.config["block"], c.config["window"], seed_of(c));
  return data::quota_sampler(c.config["sizes"], c.config["quotas"], seed_of(c));
}

Results sampler(const Case& c) {
  const auto order = sampler_of(c);
  const int64_t steps = c.config["steps"], world = c.config["world"], batch = c.config["local_batch"], first = c.config["first_step"];
  Tensor index = at::empty({steps, world, batch}, at::kLong), group = at::empty_like(index);
  auto i = index.accessor<int64_t, 3>(), g = group.accessor<int64_t, 3>();
  for (int64_t s = 0; s < steps; ++s)
    for (int64_t r = 0; r < world; ++r)
      for (int64_t k = 0; k < batch; ++k) {
        const auto unsigned_of = [](int64_t v) { return static_cast<uint64_t>(v); };
        const data::Sample at =
            order->at(data::sample_position(unsigned_of(first + s), unsigned_of(r), unsigned_of(world), unsigned_of(batch), unsigned_of(k)));
        i[s][r][k] = static_cast<int64_t>(at.index);
        g[s][r][k] = at.group;
      }
  return {{"out.index", index}, {"out.group", group}};
}

}  // namespace

std::vector<Row> base_rows() {
  return {
      {"data.safetensors", safetensors},
      {"data.feistel_permutation", feistel_permutation},
      {"data.sampler", sampler},
  };
}

}  // namespace eosin::golden
