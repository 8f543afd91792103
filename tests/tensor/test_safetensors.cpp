#include "core/tensor/safetensors.h"

#include "core/base/error.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

namespace eosin {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// One of each kind of size: scalar, empty, odd, and every width of element.
TensorMap small_tensors() {
  return {{"b/half", at::arange(3, at::kHalf)},
          {"a.bf16", at::arange(5, at::kBFloat16)},
          {"bool", at::arange(3).ne(1)},
          {"empty", at::empty({0, 7})},
          {"f8", at::zeros({3}).to(at::kFloat8_e4m3fn)},
          {"scalar", at::scalar_tensor(-2.5)},
          {"wide", at::arange(4, at::kDouble) / 3},
          {"long", at::arange(2, at::kLong)},
          {"complex", at::ones({1}, at::kComplexFloat)}};
}

std::optional<SafetensorsFile> parse(const std::string& bytes) {
  try {
    return parse_safetensors({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "test");
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data) << e.what();
    return std::nullopt;
  }
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         (a.nbytes() == 0 || std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0);
}

std::string with_header(const std::string& header, const std::string& data) {
  const uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}

TEST(Safetensors, RoundTripInMemory) {
  const TensorMap tensors = small_tensors();
  const auto file = parse(serialize_safetensors(tensors, {{"format", "pt"}, {"note", "grüße"}}));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->metadata.at("note"), "grüße");
  ASSERT_EQ(file->tensors.size(), tensors.size());
  for (const auto& [name, t] : tensors) EXPECT_TRUE(same_bits(file->tensors.at(name), t)) << name;
}

TEST(Safetensors, RoundTripThroughAFile) {
  std::string name = (fs::temp_directory_path() / "eosin-safetensors-XXXXXX").string();
  const fs::path folder = ::mkdtemp(name.data());
  const std::string path = (folder / "x.safetensors").string();
  const TensorMap strided = {{"t", at::arange(12).view({3, 4}).t()}};
  write_safetensors(path, strided);
  EXPECT_TRUE(same_bits(read_safetensors(path).tensors.at("t"), strided.at("t").contiguous()));
  write_safetensors(path, small_tensors());
  SafetensorsFile file = read_safetensors(path);
  fs::remove_all(folder);  // the mapping outlives the name
  for (const auto& [key, t] : small_tensors()) EXPECT_TRUE(same_bits(file.tensors.at(key), t)) << key;
  file.tensors.at("wide").fill_(7);  // copy-on-write
  EXPECT_THROW(read_safetensors(path), Error);
  EXPECT_THROW(write_safetensors((folder / "x").string(), strided), Error);
}

/// The reference writer's order: wide elements first, then by name; the header ends at a multiple of 8.
TEST(Safetensors, ReferenceOrder) {
  const std::string bytes =
      serialize_safetensors({{"z", at::ones({1}, at::kDouble)}, {"a", at::ones({3}, at::kByte)}, {"b", at::ones({1}, at::kFloat)}});
  uint64_t n = 0;
  std::memcpy(&n, bytes.data(), 8);
  EXPECT_EQ(n % 8, 0U);
  const std::string header = bytes.substr(8, n);
  EXPECT_LT(header.find("\"z\""), header.find("\"b\""));
  EXPECT_LT(header.find("\"b\""), header.find("\"a\""));
  EXPECT_THAT(header, HasSubstr(R"("z":{"dtype":"F64","shape":[1],"data_offsets":[0,8]})"));
}

TEST(Safetensors, TruncationAtEveryByteIsAnError) {
  const std::string whole = serialize_safetensors(small_tensors(), {{"k", "v"}});
  for (size_t n = 0; n < whole.size(); ++n) ASSERT_FALSE(parse(whole.substr(0, n))) << n;
  EXPECT_FALSE(parse(whole + '\0'));
}

/// A flip in the data is another value; a flip in the header is an error, or another well-formed header over the same bytes.
TEST(Safetensors, AnyFlippedBitIsAnErrorOrAWellFormedFile) {
  const std::string whole = serialize_safetensors(small_tensors(), {{"k", "v"}});
  uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bad = whole;
    bad[bit / 8] ^= static_cast<char>(1 << bit % 8);
    const auto file = parse(bad);
    if (bit / 8 >= 8 + header) ASSERT_TRUE(file) << "bit " << bit;
    if (!file) continue;
    size_t bytes = 0;
    for (const auto& [name, t] : file->tensors) bytes += t.nbytes();
    ASSERT_EQ(bytes, whole.size() - 8 - header) << "bit " << bit;
  }
}

TEST(Safetensors, RefusedHeaders) {
  const std::string good = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", data(4, '\0');
  ASSERT_TRUE(parse(with_header(good, data)));
  for (
      const std::string& header : {
          std::string("[]"),
          std::string(""),
          std::string(" ") + good,
          std::string(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})"),
          std::string(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})"),
          std::string(R"({"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,4]}})"),
          std::string(
              R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[0,9223372036854775807,9],"data_offsets":[4,4]}})"),
          std::string(R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})"),
          std::string(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})"),
          std::string(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})"),
          std::string(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":1}})"),
          std::string(R"({"a":{"dtype":"F32","shape":[1]}})"),
          std::string(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})"),
          std::string(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})"),
          std::string(R"({"__metadata__":{"k":1},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"),
          std::string(10'000, '['),
          std::string(R"({"a":)") + std::string(10'000, '{'),
      })
    EXPECT_FALSE(parse(with_header(header, data))) << header.substr(0, 80);
  const uint64_t huge = ~uint64_t{0};
  EXPECT_FALSE(parse(std::string(reinterpret_cast<const char*>(&huge), 8) + good + data));
}

}  // namespace
}  // namespace eosin
