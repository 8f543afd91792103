#include "core/tensor/stored_zip.h"

#include "core/base/byte_reader.h"
#include "core/base/error.h"

#include <algorithm>
#include <set>

namespace eosin {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr size_t kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint32_t kIn64 = 0xFFFFFFFF;  // the value is in the zip64 record
constexpr uint16_t kIn64Short = 0xFFFF;
constexpr uint16_t kEncrypted = 1 << 0, kSizesFollow = 1 << 3;

/// Where the directory lies.
struct Directory {
  uint64_t count = 0, bytes = 0, offset = 0;
};

struct Entry {
  std::string name;
  uint16_t flags = 0;
  uint32_t crc32 = 0;
  uint64_t bytes = 0, header_at = 0;
};

class Archive {
 public:
  Archive(std::span<const uint8_t> bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  std::vector<ZipMember> members() {
    const Directory directory = find_directory();
    std::vector<Entry> entries = read_entries(directory);
    std::vector<ZipMember> members;
    for (const Entry& e : entries) members.push_back({e.name, content(e, directory.offset), e.crc32});
    check_apart(entries, members);
    return members;
  }

 private:
  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::Data, "[{}] bad zip archive: {}", where_, fmt::format(format, std::forward<Args>(args)...));
  }
  ByteReader reader(uint64_t from, uint64_t size) const { return {bytes_.subspan(from, size), where_}; }

  Directory find_directory() const {
    if (bytes_.size() < kEndBytes) bad("{} bytes are too few", bytes_.size());
    const uint64_t end_at = bytes_.size() - kEndBytes;
    ByteReader end = reader(end_at, kEndBytes);
    if (end.number<uint32_t>() != kEnd) bad("it does not end with a directory; the file is truncated, or something follows it");
    const auto disk = end.number<uint16_t>(), first_disk = end.number<uint16_t>(), here = end.number<uint16_t>(), count = end.number<uint16_t>();
    const auto size = end.number<uint32_t>(), offset = end.number<uint32_t>();
    if (disk != 0 || first_disk != 0 || here != count) bad("it has several disks");
    if (end.number<uint16_t>() != 0) bad("a comment follows the directory");
    Directory d{count, size, offset};
    const uint64_t ends_at = find_directory64(end_at, d);
    if ((count != kIn64Short && count != d.count) || (size != kIn64 && size != d.bytes) || (offset != kIn64 && offset != d.offset))
      bad("its two records of the directory differ");
    if (d.bytes > ends_at || d.offset != ends_at - d.bytes)
      bad("its directory of {} bytes at {} does not end where it should ({})", d.bytes, d.offset, ends_at);
    return d;
  }

  /// Fills in what the zip64 record says, if there is one; where the directory must end.
  uint64_t find_directory64(uint64_t end_at, Directory& d) const {
    if (end_at < kLocatorBytes + kEnd64Bytes) return end_at;
    ByteReader locator = reader(end_at - kLocatorBytes, kLocatorBytes);
    if (locator.number<uint32_t>() != kLocator64) return end_at;
    const uint64_t at = end_at - kLocatorBytes - kEnd64Bytes;
    const auto disk = locator.number<uint32_t>();
    if (locator.number<uint64_t>() != at || disk != 0 || locator.number<uint32_t>() != 1) bad("wrong zip64 locator");
    ByteReader end = reader(at, kEnd64Bytes);
    if (end.number<uint32_t>() != kEnd64 || end.number<uint64_t>() != kEnd64Bytes - 12) bad("wrong zip64 record");
    end.take(4);  // versions
    if (end.number<uint32_t>() != 0 || end.number<uint32_t>() != 0) bad("it has several disks");
    const auto here = end.number<uint64_t>();
    d.count = end.number<uint64_t>();
    d.bytes = end.number<uint64_t>();
    d.offset = end.number<uint64_t>();
    if (here != d.count) bad("it has several disks");
    return at;
  }

  std::vector<Entry> read_entries(const Directory& d) const {
    ByteReader in = reader(d.offset, d.bytes);
    std::vector<Entry> entries;
    std::set<std::string> names;
    while (in.left() > 0) {
      entries.push_back(read_entry(in));
      if (!names.insert(entries.back().name).second) bad("the name '{}' occurs twice", entries.back().name);
    }
    if (entries.size() != d.count) bad("its directory has {} entries (need {})", entries.size(), d.count);
    return entries;
  }

  Entry read_entry(ByteReader& in) const {
    Entry e;
    if (in.number<uint32_t>() != kCentral) bad("wrong entry in its directory");
    in.take(4);  // versions
    e.flags = in.number<uint16_t>();
    const auto method = in.number<uint16_t>();
    in.take(4);  // time
    e.crc32 = in.number<uint32_t>();
    uint64_t stored = in.number<uint32_t>();
    e.bytes = in.number<uint32_t>();
    const auto name_bytes = in.number<uint16_t>(), extra_bytes = in.number<uint16_t>(), comment_bytes = in.number<uint16_t>();
    const auto disk = in.number<uint16_t>();
    in.take(6);  // attributes
    e.header_at = in.number<uint32_t>();
    e.name = in.text(name_bytes);
    read_extra(ByteReader(in.take(extra_bytes), where_), e, stored);
    in.take(comment_bytes);
    if (method != 0 || (e.flags & kEncrypted)) bad("member '{}' is compressed or encrypted (need stored)", e.name);
    if (stored != e.bytes || disk != 0) bad("member '{}' has two sizes or lies on another disk", e.name);
    return e;
  }

  /// Values that do not fit 32 bits, in this order, those that are marked only.
  void read_extra(ByteReader extra, Entry& e, uint64_t& stored) const {
    while (extra.left() >= 4) {
      const auto id = extra.number<uint16_t>(), size = extra.number<uint16_t>();
      ByteReader field(extra.take(size), where_);
      if (id != 1) continue;
      for (uint64_t* value : {&e.bytes, &stored, &e.header_at})
        if (*value == kIn64) *value = field.number<uint64_t>();
    }
  }

  /// The member's bytes, after its own header was compared with the directory.
  std::span<const uint8_t> content(const Entry& e, uint64_t directory_at) const {
    if (e.header_at > directory_at) bad("member '{}' begins behind the directory", e.name);
    ByteReader in = reader(e.header_at, directory_at - e.header_at);
    if (in.number<uint32_t>() != kLocal) bad("member '{}' has no header where the directory says", e.name);
    in.take(2);  // version
    const auto flags = in.number<uint16_t>(), method = in.number<uint16_t>();
    in.take(4);  // time
    const auto crc = in.number<uint32_t>(), stored = in.number<uint32_t>(), size = in.number<uint32_t>();
    const auto name_bytes = in.number<uint16_t>(), extra_bytes = in.number<uint16_t>();
    const bool agrees = in.text(name_bytes) == e.name && flags == e.flags && method == 0;
    const bool says_sizes = !(flags & kSizesFollow) && size != kIn64;
    if (!agrees || (says_sizes && (crc != e.crc32 || stored != e.bytes || size != e.bytes)))
      bad("member '{}' has another header than in the directory", e.name);
    in.take(extra_bytes);
    return in.take(e.bytes);
  }

  void check_apart(std::vector<Entry>& entries, const std::vector<ZipMember>& members) const {
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    for (size_t i = 0; i < entries.size(); ++i)
      ranges.emplace_back(entries[i].header_at, static_cast<uint64_t>(members[i].bytes.data() - bytes_.data()) + members[i].bytes.size());
    std::sort(ranges.begin(), ranges.end());
    for (size_t i = 1; i < ranges.size(); ++i)
      if (ranges[i].first < ranges[i - 1].second) bad("two members overlap at byte {}", ranges[i].first);
  }

  std::span<const uint8_t> bytes_;
  const std::string& where_;
};

}  // namespace

std::vector<ZipMember> read_stored_zip(std::span<const uint8_t> bytes, const std::string& where) { return Archive(bytes, where).members(); }

}  // namespace eosin
