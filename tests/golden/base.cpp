#include "tests/golden/runner.h"

#include "core/base/crc32c.h"
#include "core/base/rng.h"
#include "core/tensor/safetensors.h"
#include "data/idx.h"
#include "data/npy.h"
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

Results crc32c_of_parts(const Case& c) {
  const std::string bytes = c.bytes("in.bytes");
  const Tensor offsets = c.at("in.offsets"), crc = at::empty({offsets.numel() - 1}, at::kLong);
  for (int64_t i = 0; i < crc.numel(); ++i) {
    const auto from = offsets[i].item<int64_t>(), to = offsets[i + 1].item<int64_t>();
    crc[i] = static_cast<int64_t>(crc32c(std::string_view(bytes).substr(static_cast<size_t>(from), static_cast<size_t>(to - from))));
  }
  return {{"out.crc", crc}, {"out.crc_all", scalar_i64(crc32c(bytes))}};
}

Results philox(const Case& c) {
  const Tensor counter = c.at("in.counter"), key = c.at("in.key");
  const int64_t n = counter.size(0);
  const Tensor words = at::empty({n, 4}, at::kLong), below_1000 = at::empty({n, 4}, at::kLong);
  const Tensor uniform_n4 = at::empty({n, 4}), normal_n4 = at::empty({n, 4}), double_n2 = at::empty({n, 2}, at::kDouble);
  const auto c_in = counter.accessor<int64_t, 2>(), k_in = key.accessor<int64_t, 2>();
  for (int64_t i = 0; i < n; ++i) {
    const auto word = [](int64_t v) { return static_cast<uint32_t>(v); };
    const Words w = philox4x32({word(c_in[i][0]), word(c_in[i][1]), word(c_in[i][2]), word(c_in[i][3])}, {word(k_in[i][0]), word(k_in[i][1])});
    for (int64_t j = 0; j < 4; ++j) {
      words[i][j] = static_cast<int64_t>(w[j]);
      below_1000[i][j] = static_cast<int64_t>(below(w[j], 1000));
      uniform_n4[i][j] = uniform(w[j]);
      normal_n4[i][j] = normal(w[j / 2 * 2], w[j / 2 * 2 + 1])[j % 2];
    }
    double_n2[i][0] = uniform_double(w[0], w[1]);
    double_n2[i][1] = uniform_double(w[2], w[3]);
  }
  return {{"out.words", words},
          {"out.uniform", uniform_n4},
          {"out.uniform_double", double_n2},
          {"out.normal", normal_n4},
          {"out.below_1000", below_1000}};
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

Results npy(const Case& c) {
  const std::string bytes = c.bytes("in.bytes");
  return {{"out.array", data::parse_npy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, c.path)}};
}

Results idx_gz(const Case& c) {
  const std::string bytes = c.bytes("in.bytes");
  return {{"out.array", data::parse_idx({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, c.path)}};
}

}  // namespace

std::vector<Row> base_rows() {
  return {
      {"data.safetensors", safetensors}, {"data.crc32c", crc32c_of_parts},
      {"data.philox", philox},           {"data.feistel_permutation", feistel_permutation},
      {"data.sampler", sampler},         {"data.npy", npy},
      {"data.idx_gz", idx_gz},
  };
}

}  // namespace eosin::golden
