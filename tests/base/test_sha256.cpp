#include "core/base/error.h"
#include "core/base/sha256.h"
#include "tests/temporary_folder.h"

#include <gtest/gtest.h>

#include <fstream>

namespace eosin {
namespace {

TEST(Sha256, KnownValues) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, FilesAndPiecesAreTheSame) {
  const TemporaryFolder folder;
  const std::string bytes(3'000'017, 'x');
  std::ofstream(folder / "f") << bytes;
  Sha256 pieces;
  for (size_t i = 0; i < bytes.size(); i += 1009) pieces.update(std::string_view(bytes).substr(i, 1009));
  EXPECT_EQ(sha256_file(folder / "f"), sha256(bytes));
  EXPECT_EQ(pieces.hex(), sha256(bytes));
  EXPECT_THROW(sha256_file(folder / "nothing"), Error);
}

}  // namespace
}  // namespace eosin
