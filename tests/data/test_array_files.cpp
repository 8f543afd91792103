// npy and IDX files: what is read, and that nothing of a file is trusted.
#include "core/base/error.h"
#include "data/idx.h"
#include "data/npy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace eosin::data {
namespace {

std::span<const uint8_t> span_of(const std::string& s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }

std::string npy(const std::string& header, const std::string& data, char major = 1) {
  std::string padded = header;
  while ((10 + padded.size() + 1) % 64 != 0) padded += ' ';
  padded += '\n';
  std::string out = std::string("\x93NUMPY") + major + '\0';
  const size_t n = padded.size();
  for (size_t i = 0; i < (major == 1 ? 2u : 4u); ++i) out += static_cast<char>(n >> (8 * i));
  return out + padded + data;
}

std::string six_bytes() { return {1, 2, 3, 4, 5, 6}; }

Tensor read(const std::string& bytes) { return parse_npy(span_of(bytes), "test.npy"); }

TEST(Npy, ReadsTypesOrdersAndVersions) {
  for (char major : {1, 2, 3}) {
    const Tensor t = read(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", six_bytes(), major));
    EXPECT_TRUE(t.equal(at::arange(1, 7).to(at::kByte).view({2, 3})));
  }
  const Tensor fortran = read(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}", six_bytes()));
  EXPECT_EQ(fortran[0][1].item<int64_t>(), 3);
  const Tensor big = read(npy("{\"shape\": (3,), \"descr\": \">i2\", \"fortran_order\": False}", six_bytes()));
  EXPECT_EQ(big[0].item<int64_t>(), 258);
  EXPECT_EQ(read(npy("{'descr': '<u2', 'fortran_order': False, 'shape': (3,)}", six_bytes())).scalar_type(), at::kUInt16);
  EXPECT_EQ(read(npy("{'descr': '<i4', 'fortran_order': False, 'shape': ()}", "abcd")).dim(), 0);
  EXPECT_EQ(read(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 5)}", "")).numel(), 0);
}

TEST(Npy, RefusesOddHeaders) {
  for (const char* header :
       {"{'descr': '|O', 'fortran_order': False, 'shape': (6,)}", "{'descr': '<c8', 'fortran_order': False, 'shape': (6,)}",
        "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (6,)}", "{'descr': '|u1', 'shape': (6,)}",
        "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (6,)}", "{'descr': '|u1', 'fortran_order': 0, 'shape': (6,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (6)}", "{'descr': '|u1', 'fortran_order': False, 'shape': (-6,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (6,), 'extra': 1}", "{'descr': '|u1', 'fortran_order': False, 'shape': (6,)} x",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}", "{'descr': '|u1', 'fortran_order': False, 'shape': (7,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}", "{'descr': 'u1', 'fortran_order': False, 'shape': (6,)}",
        "__import__('os')", ""})
    EXPECT_THROW(read(npy(header, six_bytes())), Error) << header;
  EXPECT_THROW(read(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (6,)}", six_bytes(), 4)), Error);
}

TEST(Npy, DamageGivesAnErrorOrAnArray) {
  const std::string good = npy("{'descr': '<i2', 'fortran_order': False, 'shape': (3,)}", six_bytes());
  for (size_t n = 0; n < good.size(); ++n) EXPECT_THROW(read(good.substr(0, n)), Error);
  for (size_t i = 0; i < good.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      try {
        read(bad);
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::Data);
      }
    }
}

std::string gzip(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(bytes.size() + 1024, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string idx() {
  std::string s = {0, 0, 0x0B, 2, 0, 0, 0, 2, 0, 0, 0, 3};
  for (char v = 1; v <= 6; ++v) s += {0, v};
  return s;
}

Tensor read_gz(const std::string& bytes, uint64_t max_bytes = 1 << 20) { return parse_idx(span_of(bytes), "test.idx", max_bytes); }

TEST(Idx, ReadsPlainGzippedAndSeveralMembers) {
  const Tensor want = at::arange(1, 7).to(at::kShort).view({2, 3});
  const std::string whole = idx();
  EXPECT_TRUE(read_gz(whole).equal(want));
  EXPECT_TRUE(read_gz(gzip(whole)).equal(want));
  EXPECT_TRUE(read_gz(gzip(whole.substr(0, 7)) + gzip(whole.substr(7))).equal(want));
}

TEST(Idx, RefusesDamage) {
  const std::string zipped = gzip(idx());
  for (size_t n = 0; n < zipped.size(); ++n) EXPECT_THROW(read_gz(zipped.substr(0, n)), Error) << n;
  for (size_t n = 0; n < idx().size(); ++n) EXPECT_THROW(read_gz(idx().substr(0, n)), Error) << n;
  EXPECT_THROW(read_gz(idx() + "x"), Error);
  EXPECT_THROW(read_gz(zipped + "rest"), Error);
  for (size_t i = 10; i < zipped.size(); ++i) {  // behind the gzip header, whose time and system mean nothing
    std::string bad = zipped;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_THROW(read_gz(bad), Error) << i;
  }
  EXPECT_THROW(read_gz(gzip(std::string(1 << 16, 'a')), 1000), Error);
  std::string huge = {0, 0, 8, 3};
  huge += std::string(12, '\xFF');
  EXPECT_THROW(read_gz(huge), Error);
  huge[4] = huge[5] = huge[6] = huge[7] = 0;  // a size of zero among sizes that overflow
  EXPECT_THROW(read_gz(huge), Error);
}

}  // namespace
}  // namespace eosin::data
