#include "core/tensor/hdf5.h"

#include "core/base/error.h"
#include "tests/checkout.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

namespace eosin::h5 {
namespace {

namespace fs = std::filesystem;

template <class Work>
std::string data_error(Work work) {
  return message_of(work, ErrorKind::Data);
}
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Hdf5 : public ::testing::Test {
 protected:
  Hdf5() {
    std::string name = (fs::temp_directory_path() / "eosin-hdf5-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Hdf5() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// One of everything that our files hold.
  std::string small_file() const {
    File f = File::create(path("small.h5"));
    const std::vector<int32_t> coords = {0, -1, 512, 7, 1024, 99};
    const std::vector<double> mpp = {0.25, 0.5};
    f.write<int32_t>("coords", coords, {3, 2});
    f.create_group("slides");
    f.write<double>("slides/mpp", mpp, {2});
    f.write_text("slides/id", {"a", "slide-b"}, {.text_bytes = 8});
    f.set_text("/", "format", "eosin-test");
    f.set_attribute("/", "complete", uint8_t{1});
    f.close();
    return path("small.h5");
  }

  fs::path folder_;
};

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

/// Everything of small_file(), or the error.
std::string digest(const std::string& path) {
  try {
    const File f = File::open(path);
    std::string out = f.text("/", "format").value_or("-") + std::to_string(f.integer("/", "complete").value_or(0));
    for (int32_t v : f.read<int32_t>("coords")) out += fmt::format(" {}", v);
    for (double v : f.read<double>("slides/mpp")) out += fmt::format(" {}", v);
    for (const auto& s : f.read_text("slides/id")) out += " " + s;
    return out;
  } catch (const Error&) {
    return "error";
  }
}
constexpr const char* kSmallDigest = "eosin-test1 0 -1 512 7 1024 99 0.25 0.5 a slide-b";

TEST_F(Hdf5, RoundTrip) {
  EXPECT_EQ(digest(small_file()), kSmallDigest);
  const File f = File::open(path("small.h5"));
  EXPECT_THAT(f.members(), ElementsAre("coords", "slides"));
  EXPECT_THAT(f.members("slides"), ElementsAre("id", "mpp"));
  EXPECT_THAT(f.attributes(), ElementsAre("complete", "format"));
  EXPECT_TRUE(f.is_group("slides"));
  EXPECT_TRUE(f.has("slides/id"));
  EXPECT_FALSE(f.has("slides/none"));
  EXPECT_FALSE(f.has("coords/none"));
  EXPECT_FALSE(f.number("/", "none").has_value());
  const Info info = f.info("coords");
  EXPECT_EQ(info.type, Type::kI32);
  EXPECT_THAT(info.shape, ElementsAre(3, 2));
  EXPECT_EQ(info.count(), 6U);
  EXPECT_EQ(f.info("slides/id").text_bytes, 8U);
}

TEST_F(Hdf5, ContiguousDataCanBeReadByOffset) {
  std::vector<uint8_t> payload(100'003);
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<uint8_t>(i * 131 >> 3);
  File f = File::create(path("a.h5"));
  f.create_dataset("jpeg", Type::kU8, {payload.size()});
  const uint64_t offset = f.info("jpeg").offset.value();
  EXPECT_EQ(offset % 4096, 0U);
  f.write_rows("jpeg", Type::kU8, payload.data(), 50'000, 0, 50'000);
  f.write_rows("jpeg", Type::kU8, payload.data() + 50'000, 50'003, 50'000, 50'003);
  f.close();
  const std::string bytes = bytes_of(path("a.h5"));
  EXPECT_EQ(std::memcmp(bytes.data() + offset, payload.data(), payload.size()), 0);
  EXPECT_EQ(File::open(path("a.h5")).info("jpeg").offset, offset);
}

TEST_F(Hdf5, SameInputSameBytes) {
  const std::string first = bytes_of(small_file());
  EXPECT_EQ(bytes_of(small_file()), first);
}

TEST_F(Hdf5, RowsConversionAndGrowth) {
  File f = File::create(path("a.h5"));
  const std::vector<float> rows = {1, 2, 3, 4, 5, 6};
  f.create_dataset("features", Type::kF16, {0, 3}, {.chunk = {2, 3}, .extendible = true});
  f.extend("features", 2);
  f.write_rows("features", Type::kF32, rows.data(), 24, 0, 2);
  f.extend("features", 4);
  f.write_rows("features", Type::kF32, rows.data(), 24, 2, 2);
  const std::vector<uint64_t> big = {1, std::numeric_limits<uint64_t>::max()};
  f.write<uint64_t>("big", big, {2});
  f.write<uint64_t>("none", {}, {0, 5});
  f.close();

  const File g = File::open(path("a.h5"));
  EXPECT_EQ(g.info("features").type, Type::kF16);
  EXPECT_THAT(g.read<float>("features", 1, 2), ElementsAre(4, 5, 6, 1, 2, 3));
  EXPECT_THAT(g.read<double>("features", 3), ElementsAre(4, 5, 6));
  EXPECT_THAT(g.read<int64_t>("big", 0, 1), ElementsAre(1));
  EXPECT_TRUE(g.read<int64_t>("none").empty());
  EXPECT_THAT(data_error([&] { g.read<int64_t>("big"); }), HasSubstr("does not fit"));
  EXPECT_THAT(data_error([&] { g.read<uint8_t>("features"); }), HasSubstr("another kind"));
  EXPECT_THAT(data_error([&] { g.read_text("features"); }), HasSubstr("is not text"));
  EXPECT_THAT(data_error([&] { g.read<float>("features", 3, 2); }), HasSubstr("do not exist"));
  EXPECT_THAT(data_error([&] { g.read<float>("absent"); }), HasSubstr("absent: is not in this file"));
}

/// libhdf5 would walk such a heap for ever.
TEST_F(Hdf5, AHeapWithAnObjectOfNoSizeIsNamed) {
  File f = File::create(path("a.h5"));
  f.write_text("texts", {"abc"});
  f.set_text("texts", "note", "of variable length", true);
  f.close();
  std::ifstream in(path("a.h5"), std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const size_t heap = bytes.find("GCOL");
  ASSERT_NE(heap, std::string::npos);
  size_t at = heap + 16;
  while (bytes[at] != 0) at += 16 + (static_cast<size_t>(static_cast<unsigned char>(bytes[at + 8])) + 7) / 8 * 8;  // to the free space
  bytes.replace(at + 8, 8, std::string(8, '\0'));
  std::ofstream(path("a.h5"), std::ios::binary) << bytes;
  const File g = File::open(path("a.h5"));
  EXPECT_THAT(data_error([&] { g.text("texts", "note"); }), HasSubstr("heap of texts"));
  EXPECT_EQ(g.read_text("texts"), std::vector<std::string>{"abc"});  // read without the library
}

TEST_F(Hdf5, TextOfEveryKind) {
  File f = File::create(path("a.h5"));
  f.write_text("fixed", {"", "abc"}, {.text_bytes = 3});
  f.write_text("variable", {"", "köln", std::string(5000, 'x')});
  f.set_text("fixed", "note", "größe", true);
  f.set_text("fixed", "empty", "");
  EXPECT_THAT(data_error([&] { f.write_text("long", {"abcd"}, {.text_bytes = 3}); }), HasSubstr("longer than 3"));
  f.close();
  const File g = File::open(path("a.h5"));
  EXPECT_THAT(g.read_text("fixed"), ElementsAre("", "abc"));
  EXPECT_THAT(g.read_text("variable"), ElementsAre("", "köln", std::string(5000, 'x')));
  EXPECT_EQ(g.text("fixed", "note"), "größe");
  EXPECT_EQ(g.text("fixed", "empty"), "");
  EXPECT_THAT(data_error([&] { g.integer("fixed", "note"); }), HasSubstr("not one integer"));
}

TEST_F(Hdf5, AttributesKeepTypeAndShape) {
  File f = File::create(path("a.h5"));
  const std::vector<uint32_t> version = {1, 3};
  f.set_attribute<uint32_t>("/", "version", version, {2});
  f.set_attribute("/", "mpp", 0.5);
  f.set_attribute("/", "count", int64_t{-7});
  f.set_attribute("/", "count", int64_t{-8});
  f.close();
  const File g = File::open(path("a.h5"));
  const Attribute a = g.attribute("/", "version").value();
  EXPECT_EQ(a.type, Type::kU32);
  EXPECT_THAT(a.shape, ElementsAre(2));
  EXPECT_THAT(std::get<std::vector<uint64_t>>(a.values), ElementsAre(1, 3));
  EXPECT_EQ(g.number("/", "mpp"), 0.5);
  EXPECT_EQ(g.integer("/", "count"), -8);
  EXPECT_EQ(g.number("/", "count"), -8.0);
  EXPECT_THAT(data_error([&] { g.integer("/", "mpp"); }), HasSubstr("attribute 'mpp' of '/'"));
}

TEST_F(Hdf5, ReadsWhatH5pyCompressed) {
  const File f = File::open(source_dir() + "/tests/cases/hdf5/h5py_filters.h5");
  std::vector<int64_t> want(300);
  for (size_t i = 0; i < want.size(); ++i) want[i] = static_cast<int64_t>(i * i % 17);
  EXPECT_EQ(f.read<int64_t>("lzf"), want);
  EXPECT_EQ(f.read<int64_t>("gzip"), want);
  EXPECT_THAT(f.read<int32_t>("flags"), ElementsAre(1, 0, 1));
}

TEST_F(Hdf5, TruncationAtEveryByte) {
  const std::string whole = bytes_of(small_file());
  for (size_t n = 0; n < whole.size(); ++n) {
    write_bytes(path("cut.h5"), whole.substr(0, n));
    ASSERT_EQ(digest(path("cut.h5")), "error") << "cut to " << n << " of " << whole.size();
  }
}

TEST_F(Hdf5, NotAFile) {
  write_bytes(path("text.h5"), "hello");
  EXPECT_THAT(data_error([&] { File::open(path("text.h5")); }), HasSubstr("text.h5] is not a complete HDF5 file; it is a text file"));
  write_bytes(path("packed.h5"), "\x1F\x8B\x08");
  EXPECT_THAT(data_error([&] { File::open(path("packed.h5")); }), HasSubstr("it begins as a gzip file: unpack it first"));
  EXPECT_THAT(message_of([&] { File::open(path("absent.h5")); }, ErrorKind::Io), HasSubstr("No such file"));
  EXPECT_THAT(message_of([&] { File::open(folder_.string()); }, ErrorKind::Io), HasSubstr("not a regular file"));
  EXPECT_THAT(message_of([&] { File::create(path("no/folder.h5")); }, ErrorKind::Io), HasSubstr("No such file"));
}

/// Files that only HDF5 itself can write for us.
class Hdf5Foreign : public Hdf5 {
 protected:
  hid_t begin() { return file_ = H5Fcreate(path("foreign.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT); }
  File end() {
    H5Fclose(file_);
    return File::open(path("foreign.h5"));
  }
  void dataset(const char* name, hid_t type, std::vector<hsize_t> dims, hid_t plist) {
    const hid_t space = H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
    H5Dclose(H5Dcreate2(file_, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT));
    H5Sclose(space);
  }
  hid_t file_ = -1;
};

TEST_F(Hdf5Foreign, LinksAreNotFollowed) {
  small_file();
  begin();
  H5Lcreate_external(path("small.h5").c_str(), "/coords", file_, "external", H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_soft("/external", file_, "soft", H5P_DEFAULT, H5P_DEFAULT);
  const File f = end();
  EXPECT_FALSE(f.has("external"));
  EXPECT_FALSE(f.has("soft"));
  EXPECT_THAT(data_error([&] { f.read<int32_t>("external"); }), HasSubstr("link, which is not followed"));
  EXPECT_THAT(data_error([&] { f.read<int32_t>("soft"); }), HasSubstr("link, which is not followed"));
}

TEST_F(Hdf5Foreign, FiltersAndStorageAreRefused) {
  begin();
  const hsize_t chunk = 100;
  hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(plist, 1, &chunk);
  H5Pset_fletcher32(plist);
  dataset("filtered", H5T_STD_I32LE, {100}, plist);
  H5Pclose(plist);
  plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_external(plist, "/etc/hostname", 0, 400);
  dataset("elsewhere", H5T_STD_I32LE, {100}, plist);
  H5Pclose(plist);
  const File f = end();
  EXPECT_THAT(data_error([&] { f.read<int32_t>("filtered"); }), HasSubstr("filter 3"));
  EXPECT_THAT(data_error([&] { f.read<int32_t>("elsewhere"); }), HasSubstr("lie in other files"));
}

TEST_F(Hdf5Foreign, SizesAreCheckedBeforeMemoryIsTaken) {
  begin();
  const hsize_t chunk = 1 << 20;
  const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  dataset("unwritten", H5T_STD_I32LE, {100}, plist);
  dataset("huge", H5T_STD_I64LE, {hsize_t{1} << 50}, plist);
  dataset("overflow", H5T_STD_I64LE, {hsize_t{1} << 40, hsize_t{1} << 40}, plist);
  H5Pset_chunk(plist, 1, &chunk);
  dataset("chunks", H5T_STD_I64LE, {hsize_t{1} << 50}, plist);
  H5Pclose(plist);
  const File f = end();
  EXPECT_THAT(data_error([&] { f.read<int32_t>("unwritten"); }), HasSubstr("0 of 400 bytes were written"));
  EXPECT_THAT(data_error([&] { f.read<int64_t>("huge"); }), HasSubstr("were written"));
  EXPECT_THAT(data_error([&] { f.read<int64_t>("overflow"); }), HasSubstr("overflow"));
  EXPECT_THAT(data_error([&] { f.read<int64_t>("chunks"); }), HasSubstr("chunks were written"));
}

TEST_F(Hdf5, AFileThatMayNotGrowIsOneClearError) {
  const rlimit before = [] {
    rlimit r{};
    getrlimit(RLIMIT_FSIZE, &r);
    return r;
  }();
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 20, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::vector<uint8_t> payload(4 << 20, 1);
  const std::string message = message_of(
      [&] {
        File f = File::create(path("full.h5"));
        f.write<uint8_t>("jpeg", payload, {payload.size()});
        f.close();
      },
      ErrorKind::Io);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, HasSubstr("full.h5] "));
  EXPECT_THAT(message, HasSubstr("File too large"));
  EXPECT_EQ(digest(small_file()), kSmallDigest) << "HDF5 must work on after a failed file";
}

}  // namespace
}  // namespace eosin::h5
