// Files of torch.save: what is read, and that nothing of a file is trusted or run.
#include "core/tensor/torch_archive.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"
#include "tests/tensor/torch_archive_bytes.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace eosin {
namespace {

using testing::HasSubstr;
using namespace pickled;

std::span<const uint8_t> span_of(const std::string& s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }
TensorMap read(const std::string& bytes) { return parse_torch_archive(span_of(bytes), "test.pt"); }
std::string refusal(const std::string& bytes) {
  return message_of([&] { read(bytes); }, ErrorKind::Data);
}
std::string of_object(const std::string& object) { return torch_archive(object, {{"0", floats({1, 2, 3, 4, 5, 6})}}); }

bool equal(const TensorMap& a, const TensorMap& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const auto& x, const auto& y) {
           return x.first == y.first && x.second.scalar_type() == y.second.scalar_type() && x.second.equal(y.second);
         });
}

TEST(TorchArchive, NamesTensorsByTheirPath) {
  const TensorMap got = read(small_torch_archive());
  ASSERT_EQ(got.size(), 2u);
  EXPECT_TRUE(got.at("model/w").equal(at::arange(1.0f, 7.0f).view({2, 3})));
  EXPECT_TRUE(got.at("model/t").equal(got.at("model/w").t()));
  EXPECT_TRUE(got.at("model/t").is_contiguous());
  EXPECT_EQ(read(of_object(tensor({"0", "FloatStorage", 6, 2, {}, {}}))).at("").item<float>(), 3);
  EXPECT_EQ(read(of_object("](" + tensor({"0", "FloatStorage", 6, 5, {1}, {1}}) + "e")).count("0"), 1u);
  EXPECT_TRUE(read(of_object(dict(integer(3) + tuple_of({1, 2}) + text("x") + "N"))).empty());
}

TEST(TorchArchive, AFileIsMappedAndCopiedOnlyWhenWritten) {
  const TemporaryFolder folder;
  write_file(folder / "a.pt", small_torch_archive());
  TensorMap got = read_torch_archive(folder / "a.pt");
  got.at("model/w").fill_(9);
  EXPECT_TRUE(equal(read_torch_archive(folder / "a.pt"), read(small_torch_archive())));
  message_of([&] { read_torch_archive(folder / "absent.pt"); }, ErrorKind::Io);
}

TEST(TorchArchive, ElementTypesAndByteOrder) {
  const auto one = [](const char* type, const std::string& bytes, const char* order = "little") {
    return read(torch_archive(tensor({"0", type, 1, 0, {1}, {1}}), {{"0", bytes}}, order)).at("");
  };
  EXPECT_EQ(one("HalfStorage", std::string("\x00\x3C", 2)).item<float>(), 1);
  EXPECT_EQ(one("BFloat16Storage", std::string("\x80\x3F", 2)).scalar_type(), at::kBFloat16);
  EXPECT_EQ(one("ShortStorage", std::string("\x01\x02", 2), "big").item<int64_t>(), 258);
  EXPECT_EQ(one("BoolStorage", "\x07").item<bool>(), true);
  EXPECT_THAT(refusal(torch_archive(tensor({"0", "ShortStorage", 1, 0, {1}, {1}}), {{"0", "ab"}}, "middle")), HasSubstr("byte order"));
}

TEST(TorchArchive, OfAKeyThatOccursTwiceTheLastCounts) {
  const std::string a = tensor({"0", "FloatStorage", 6, 0, {1}, {1}}), b = tensor({"0", "FloatStorage", 6, 1, {1}, {1}});
  EXPECT_EQ(read(of_object(dict(text("w") + a + text("w") + b))).at("w").item<float>(), 2);
  EXPECT_THAT(refusal(of_object(dict(text("a/b") + a + text("a") + dict(text("b") + b)))), HasSubstr("two tensors have the path 'a/b'"));
  EXPECT_THAT(refusal(of_object(dict(tuple_of({1}) + a))), HasSubstr("neither text nor an integer"));
}

TEST(TorchArchive, OneStorageMayBeDescribedInSeveralWays) {
  const TensorMap got = read(of_object("](" + tensor({"0", "FloatStorage", 1, 0, {1}, {1}}) + tensor({"0", "FloatStorage", 2, 0, {2}, {1}}) +
                                       tensor({"0", "IntStorage", 2, 1, {1}, {1}}) + "e"));
  EXPECT_TRUE(got.at("1").equal(at::tensor({1.0f, 2.0f})));
  EXPECT_EQ(got.at("2").item<int64_t>(), 0x40000000);
}

TEST(TorchArchive, RunsNothing) {
  for (const auto& [module, name] :
       {std::pair{"os", "system"}, {"builtins", "eval"}, {"torch", "load"}, {"collections", "defaultdict"}, {"torch._utils", ""}})
    EXPECT_THAT(refusal(of_object(global(module, name) + tuple(text("true")) + "R")), HasSubstr(fmt::format("{}.{}", module, name)));
  EXPECT_THAT(refusal(of_object(text("torch") + text("FloatStorage") + "\x93)R")), HasSubstr("torch.FloatStorage is called"));
  EXPECT_THAT(refusal(of_object(dict("") + dict("") + "b")), HasSubstr("a state is set on a dict"));
}

TEST(TorchArchive, RefusesTensorsBeyondTheirStorage) {
  for (const TensorFields& t : std::vector<TensorFields>{{"0", "FloatStorage", 7, 0, {7}, {1}},
                                                         {"0", "DoubleStorage", 4, 0, {1}, {1}},
                                                         {"0", "FloatStorage", 6, 6, {1}, {1}},
                                                         {"0", "FloatStorage", 6, 0, {2, 3}, {4, 1}},
                                                         {"0", "FloatStorage", 6, 0, {-1}, {1}},
                                                         {"0", "FloatStorage", 6, 0, {2}, {-1}},
                                                         {"0", "FloatStorage", 6, -1, {1}, {1}},
                                                         {"0", "FloatStorage", -6, 0, {1}, {1}},
                                                         {"0", "FloatStorage", 6, 0, {2, 3}, {1}},
                                                         {"0", "OddStorage", 6, 0, {1}, {1}},
                                                         {"0", "float32", 6, 0, {1}, {1}},
                                                         {"1", "FloatStorage", 6, 0, {1}, {1}},
                                                         {"0", "FloatStorage", 6, 0, {2147483647, 2147483647, 2147483647}, {0, 0, 0}},
                                                         {"0", "FloatStorage", 6, 0, {2147483647, 2147483647, 2147483647, 0}, {0, 0, 0, 0}},
                                                         {"0", "FloatStorage", 6, 0, {2147483647}, {0}}})
    refusal(of_object(tensor(t)));
  EXPECT_EQ(read(of_object(tensor({"0", "FloatStorage", 6, 9, {0, 3}, {3, 1}}))).at("").sizes(), (std::vector<int64_t>{0, 3}));
}

TEST(TorchArchive, RefusesPicklesThatNobodyWrites) {
  const std::string dup_list = "](" + std::string(8, '2');
  for (const std::string& object : {std::string(),
                                    std::string("0"),
                                    std::string("t"),
                                    std::string("NN"),
                                    std::string("(N"),
                                    std::string("Nh\x05"),
                                    std::string("Nq\x01h\x02"),
                                    std::string("X\xFF\xFF\xFF\xFFw"),
                                    std::string("\x8E\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
                                    std::string("\x82\x01"),
                                    std::string("\x97"),
                                    std::string("}(NU"),
                                    std::string("}(Nu"),
                                    std::string("NNR"),
                                    std::string("N)R"),
                                    std::string("I12x\n"),
                                    std::string("\x95\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
                                    std::string("T\xFF\xFF\xFF\xFF"),
                                    std::string("\xFF"),
                                    std::string("(dq\x01h\x01h\x01s"),
                                    std::string(2000, '('),
                                    std::string("]q\x01") + "h\x01" + "a" /* itself */,
                                    dup_list})
    refusal(of_object(object));
  std::string deep;
  for (int i = 0; i < 1500; ++i) deep += "]";
  refusal(of_object(deep + std::string(1499, 'a')));
  std::string doubled = "]";  // a list of itself twice, 60 times over
  for (int i = 0; i < 60; ++i) doubled += std::string("q") + static_cast<char>(i) + "0](h" + static_cast<char>(i) + "h" + static_cast<char>(i) + "e";
  EXPECT_THAT(refusal(of_object(doubled)), HasSubstr("positions"));
  EXPECT_THAT(refusal(stored_zip({{"a/data.pkl", "(lp0\n."}})), HasSubstr("protocol"));
  EXPECT_THAT(refusal(stored_zip({{"a/data.pkl", whole("N") + "N"}})), HasSubstr("bytes follow"));
}

TEST(TorchArchive, RefusesOddZips) {
  const ZipEntry pickle{"a/data.pkl", whole("N")};
  EXPECT_TRUE(read(stored_zip({pickle})).empty());
  EXPECT_THAT(refusal(stored_zip({pickle, pickle})), HasSubstr("occurs twice"));
  EXPECT_THAT(refusal(stored_zip({pickle, {"b/version", "3"}})), HasSubstr("outside"));
  EXPECT_THAT(refusal(stored_zip({{"a/version", "3"}})), HasSubstr("data.pkl"));
  EXPECT_THAT(refusal(stored_zip({pickle}) + "x"), HasSubstr("zip"));
  EXPECT_THAT(refusal("not a torch file"), HasSubstr("torch.save"));
}

TEST(TorchArchive, TruncationAtEveryByteIsAnError) {
  const std::string whole_file = small_torch_archive();
  for (size_t n = 0; n < whole_file.size(); ++n) ASSERT_NO_FATAL_FAILURE(refusal(whole_file.substr(0, n))) << n;
}

TEST(TorchArchive, AnyFlippedBitIsAnErrorOrTheSameTensors) {
  const std::string good = small_torch_archive();
  const TensorMap want = read(good);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    try {
      EXPECT_TRUE(equal(read(bad), want)) << "bit " << bit;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Data) << e.what();
    }
  }
}

TEST(TorchArchive, AChecksumMayBeLeftOut) {
  std::string bad = small_torch_archive();
  const size_t at = bad.find(floats({1, 2, 3}));
  bad[at] = static_cast<char>(bad[at] ^ 1);
  EXPECT_THAT(refusal(bad), HasSubstr("CRC-32"));
  EXPECT_EQ(parse_torch_archive(span_of(bad), "test.pt", false).size(), 2u);
}

/// The format before torch 1.6.
std::string stream(const std::string& object, const std::string& keys, const std::string& storages) {
  return whole("\x8A\x0A\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") + whole("M" + little_endian(uint16_t{1001})) +
         whole(dict(text("little_endian") + "\x88")) + whole(object) + whole("](" + keys + "e") + storages;
}

TEST(TorchArchive, TheFormatBefore16) {
  const std::string good = stream(tensor({"99", "FloatStorage", 2, 0, {2}, {1}}), text("99"), little_endian(int64_t{2}) + floats({5, 6}));
  EXPECT_TRUE(read(good).at("").equal(at::tensor({5.0f, 6.0f})));
  for (size_t n = 0; n < good.size(); ++n) refusal(good.substr(0, n));
  refusal(good + "x");
  refusal(stream(tensor({"99", "FloatStorage", 2, 0, {2}, {1}}), text("98"), little_endian(int64_t{2}) + floats({5, 6})));
  refusal(stream(tensor({"99", "FloatStorage", 3, 0, {3}, {1}}), text("99"), little_endian(int64_t{2}) + floats({5, 6})));
  refusal(stream(tensor({"99", "FloatStorage", 2, 0, {2}, {1}}), text("99"), little_endian(int64_t{1} << 62) + floats({5, 6})));
}

}  // namespace
}  // namespace eosin
