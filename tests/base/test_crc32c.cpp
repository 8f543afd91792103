#include "core/base/crc32c.h"

#include "core/base/rng.h"

#include <gtest/gtest.h>

#include <vector>

namespace eosin {
namespace {

std::vector<uint8_t> random_bytes(size_t n) {
  RandomStream stream(7, 0, 0, RandomOp::kSynthetic);
  std::vector<uint8_t> bytes(n);
  for (auto& b : bytes) b = static_cast<uint8_t>(stream.word());
  return bytes;
}

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720 B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

TEST(Crc32c, BothPathsAgreeAtEveryLengthAndAlignment) {
  const auto bytes = random_bytes(10'007);  // three lanes of 1024 three times over, and a rest
  const std::span<const uint8_t> all(bytes);
  for (size_t n = 0; n < 200; ++n)
    for (size_t from = 0; from < 9; ++from) EXPECT_EQ(crc32c(all.subspan(from, n)), crc32c_portable(all.subspan(from, n)));
  for (const size_t n : {3071u, 3072u, 3073u, 6144u, 9999u}) EXPECT_EQ(crc32c(all.subspan(5, n)), crc32c_portable(all.subspan(5, n))) << n;
}

TEST(Crc32c, IsIncremental) {
  const auto bytes = random_bytes(7001);
  const std::span<const uint8_t> all(bytes);
  for (const size_t cut : {0u, 1u, 13u, 3072u, 7001u}) EXPECT_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), crc32c(all)) << cut;
}

}  // namespace
}  // namespace eosin
