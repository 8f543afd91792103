#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace eosin::nn {

/// Backbones in stages number the blocks of each stage from 0; rules on layers count them through. Of a parameter of block j of stage i,
/// "<stage>i<block>j.", the name with "blocks.<n>." in place of that, n counted over all stages; of a stage's downsampling, "<stage>i.downsample.",
/// its first block's; another name as it is.
///
/// Checked  tests/nn/test_backbones.cpp.
std::string number_blocks(const std::string& name, const std::string& stage, const std::string& block, const std::vector<int64_t>& depths);

/// The number of block j of stage i.
int64_t block_number(const std::vector<int64_t>& depths, size_t stage, int64_t block);

}  // namespace eosin::nn
