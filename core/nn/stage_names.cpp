#include "core/nn/stage_names.h"

#include <numeric>
#include <regex>

namespace eosin::nn {

int64_t block_number(const std::vector<int64_t>& depths, size_t stage, int64_t block) {
  return std::accumulate(depths.begin(), depths.begin() + static_cast<std::ptrdiff_t>(stage), block);
}

std::string number_blocks(const std::string& name, const std::string& stage, const std::string& block, const std::vector<int64_t>& depths) {
  std::smatch found;
  const bool in_block = std::regex_search(name, found, std::regex(stage + R"((\d+))" + block + R"((\d+)\.)"));
  if (!in_block && !std::regex_search(name, found, std::regex(stage + R"((\d+)\.downsample\.)"))) return name;
  const int64_t number = block_number(depths, std::stoul(found[1]), in_block ? std::stol(found[2]) : 0);
  return found.prefix().str() + "blocks." + std::to_string(number) + "." + found.suffix().str();
}

}  // namespace eosin::nn
