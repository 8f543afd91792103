// MATLAB 5 files: what is read, and that nothing of a file is trusted.
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "data/mat5.h"
#include "data/mil_mat.h"
#include "tests/data/mat5_bytes.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace eosin::data {
namespace {

using testing::HasSubstr;

TensorMap read(const std::string& bytes, uint64_t max_bytes = 1 << 20) {
  return parse_mat5({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "test.mat", max_bytes);
}
std::string refusal(const std::string& bytes, uint64_t max_bytes = 1 << 20) {
  return message_of([&] { read(bytes, max_bytes); }, ErrorKind::Data);
}
std::string text_of(const Tensor& t) { return {reinterpret_cast<const char*>(t.const_data_ptr<uint8_t>()), static_cast<size_t>(t.numel())}; }

TEST(Mat5, NumbersComeInLogicalOrder) {
  const TensorMap got = read(mat5::file(mat5::numbers({2, 3}, {1, 4, 2, 5, 3, 6}, "a") + mat5::array(9, {1, 2}, "b", mat5::small(2, {7, 8}))));
  EXPECT_TRUE(got.at("a").equal(at::arange(1, 7).to(at::kDouble).view({2, 3})));
  EXPECT_TRUE(got.at("b").equal(at::tensor({7.0, 8.0}, at::kDouble).view({1, 2})));
  const Tensor cube = read(mat5::file(mat5::compressed(mat5::numbers({2, 1, 3}, {1, 2, 3, 4, 5, 6}, "c")))).at("c");
  EXPECT_EQ(cube.sizes(), (std::vector<int64_t>{2, 1, 3}));
  EXPECT_EQ(cube[1][0][2].item<double>(), 6);
  for (const auto& [type, bytes] :
       {std::pair{1u, std::string("\xFE")}, {3u, std::string("\xFE\xFF")}, {12u, std::string("\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF")}})
    EXPECT_EQ(read(mat5::file(mat5::array(6, {1, 1}, "n", mat5::element(type, bytes)))).at("n").item<double>(), -2) << type;
}

TEST(Mat5, PathsOfCellsStructsAndObjects) {
  const std::string one = mat5::numbers({1, 1}, {1}), two = mat5::numbers({1, 1}, {2}), nothing = mat5::element(14, "");
  const TensorMap got =
      read(mat5::file(mat5::cell({2, 1}, one + mat5::text({1, 2}, "hi"), "c") + mat5::structs({1, 2}, {"f", "g"}, one + two + two + nothing, "s") +
                      mat5::object({"f", "sub"}, one + mat5::structs({1, 1}, {"x"}, two), "o") + mat5::cell({0, 0}, "", "none")));
  std::string names;
  for (const auto& [name, t] : got) names += name + " ";
  EXPECT_EQ(names, "c/0 c/1 o/f o/sub/x s/0/f s/0/g s/1/f s/1/g ");
  EXPECT_EQ(got.at("o/sub/x").item<double>(), 2);
  EXPECT_EQ(got.at("s/1/g").sizes(), (std::vector<int64_t>{0, 0}));
}

TEST(Mat5, TextKeepsItsRows) {
  EXPECT_EQ(text_of(read(mat5::file(mat5::text({2, 3}, "adbecf", "t"))).at("t")), "abc\ndef");
  EXPECT_EQ(text_of(read(mat5::file(mat5::text({1, 2}, "\xC3\xA9z", "t"))).at("t")), "\xC3\xA9z");
  const std::string pair = mat5::array(4, {1, 2}, "t", mat5::element(17, mat5::raw<uint16_t>({0xD83D, 0xDE00})));
  EXPECT_EQ(text_of(read(mat5::file(pair)).at("t")), "\xF0\x9F\x98\x80");
  EXPECT_TRUE(read(mat5::file(mat5::text({0, 0}, "", "t"))).empty());
  refusal(mat5::file(mat5::text({1, 2}, "\xC3\xC3", "t")));
  refusal(mat5::file(mat5::text({1, 1}, "\xED\xA0\x80", "t")));
}

TEST(Mat5, RefusesWhatItDoesNotRead) {
  EXPECT_THAT(refusal(mat5::file("", {"\x00\x02IM", 4})), HasSubstr("7.3"));
  EXPECT_THAT(refusal(mat5::file("", {"\x01\x00MI", 4})), HasSubstr("big-endian"));
  EXPECT_THAT(refusal(mat5::file("")), HasSubstr("no variable"));
  const std::string number = mat5::element(9, mat5::raw<double>({1}));
  EXPECT_THAT(refusal(mat5::file(mat5::array(6 | 0x800, {1, 1}, "z", number + number))), HasSubstr("complex"));
  EXPECT_THAT(refusal(mat5::file(mat5::array(5, {1, 1}, "z", number))), HasSubstr("sparse"));
  EXPECT_THAT(refusal(mat5::file(mat5::array(16, {1, 1}, "z", number))), HasSubstr("handle"));
  EXPECT_THAT(refusal(mat5::file(mat5::numbers({1, 1}, {1}, "a") + mat5::numbers({1, 1}, {2}, "a"))), HasSubstr("occurs twice"));
  refusal(mat5::file(mat5::numbers({1, 1}, {1}, "")));
  refusal(mat5::file(mat5::numbers({-1, 1}, {1}, "a")));
  refusal(mat5::file(mat5::numbers({3, 1}, {1, 2}, "a")));
  refusal(mat5::file(mat5::numbers({2147483647, 2147483647, 2147483647}, {1}, "a")));
  refusal(mat5::file(mat5::cell({2147483647, 1}, "", "c")));
  refusal(mat5::file(mat5::structs({2147483647, 1}, {"f"}, mat5::numbers({1, 1}, {1}), "s")));
  refusal(mat5::file(mat5::element(9, mat5::raw<double>({1}))));
  std::string deep = mat5::numbers({1, 1}, {1});
  for (int i = 0; i < 200; ++i) deep = mat5::cell({1, 1}, deep, i == 199 ? "deep" : "");
  EXPECT_THAT(refusal(mat5::file(deep)), HasSubstr("levels"));
}

TEST(Mat5, LimitsWhatItDecompresses) {
  const std::string variable = mat5::numbers({100, 1}, std::vector<double>(100), "a"), packed = mat5::file(mat5::compressed(variable));
  EXPECT_EQ(read(packed, variable.size()).size(), 1u);
  EXPECT_THAT(refusal(packed, variable.size() - 1), HasSubstr("limit"));
  EXPECT_THAT(refusal(mat5::file(mat5::compressed(mat5::element(14, std::string(8, 0)) + std::string(1 << 20, 0)))), HasSubstr("corrupt"));
  std::string empties;
  for (int i = 0; i < 300'000; ++i) empties += mat5::element(14, "");
  EXPECT_THAT(refusal(mat5::file(mat5::compressed(mat5::cell({300'000, 1}, empties, "c"))), 1 << 30), HasSubstr("arrays"));
}

TEST(Mat5, TruncationAndFlippedBits) {
  const std::string good = mat5::mil_set();
  const TensorMap want = read(good);
  for (size_t n = 0; n < good.size(); ++n) refusal(good.substr(0, n));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    try {
      const TensorMap got = read(bad);
      EXPECT_TRUE(std::equal(got.begin(), got.end(), want.begin(), want.end(),
                             [](const auto& a, const auto& b) { return a.first == b.first && a.second.equal(b.second); }))
          << "bit " << bit;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Data) << e.what();
    }
  }
  const std::string plain = mat5::file(mat5::structs({1, 1}, {"f", "g"}, mat5::numbers({1, 1}, {1}) + mat5::text({1, 2}, "hi"), "s"));
  for (size_t n = 0; n < plain.size(); ++n) refusal(plain.substr(0, n));
  for (size_t bit = 0; bit < plain.size() * 8; ++bit) {  // without a checksum other values are possible
    std::string bad = plain;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    try {
      EXPECT_LE(read(bad).size(), 2u);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Data) << e.what();
    }
  }
}

TEST(MilMat, BagsByTextAndByNumber) {
  const TemporaryFolder folder;
  const std::string path = folder / "set.mat";
  write_file(path, mat5::mil_set());
  BagSet set = read_mil_mat(path);
  EXPECT_EQ(set.instances_ND.sizes(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(set.instances_ND[2][0].item<double>(), 3);
  EXPECT_EQ(set.bag_index, (std::vector<int64_t>{0, 0, 1}));
  EXPECT_EQ(set.bag_label, (std::vector<int64_t>{0, 1}));
  write_file(path, mat5::mil_set(mat5::numbers({3, 1}, {9, 4, 9})));
  set = read_mil_mat(path);
  EXPECT_EQ(set.bag_index, (std::vector<int64_t>{0, 1, 0}));
  EXPECT_EQ(set.bag_label, (std::vector<int64_t>{1, 0}));
}

TEST(MilMat, RefusesOtherFiles) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& bytes) {
    write_file(folder / "set.mat", bytes);
    return message_of([&] { read_mil_mat(folder / "set.mat"); }, ErrorKind::Data);
  };
  EXPECT_THAT(refused(mat5::file(mat5::numbers({1, 1}, {1}, "y"))), HasSubstr("x/data"));
  EXPECT_THAT(refused(mat5::mil_set(mat5::text({2, 1}, "ab"))), HasSubstr("2 rows (need 3)"));
  EXPECT_THAT(refused(mat5::mil_set(mat5::numbers({2, 1}, {1, 2}))), HasSubstr("need 3 numbers"));
  EXPECT_THAT(refused(mat5::mil_set(mat5::numbers({3, 1}, {1, NAN, 2}))), HasSubstr("nan"));
  EXPECT_THAT(refused(mat5::mil_set(mat5::text({3, 1}, "abc"), {1, 1.5, 2})), HasSubstr("1.5"));
}

}  // namespace
}  // namespace eosin::data
