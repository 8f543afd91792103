#include "core/tensor/torch_content.h"

#include "core/base/byte_reader.h"
#include "core/base/error.h"
#include "core/tensor/stored_zip.h"
#include "core/tensor/torch_objects.h"

#include <zlib.h>

#include <cstring>

namespace eosin::torch_file {
namespace {

using pickle::Graph;
using pickle::Kind;
using pickle::Ref;
using Bytes = std::span<const uint8_t>;

/// Element type by storage key: the stream before torch 1.6 counts elements, not bytes.
std::map<std::string_view, at::ScalarType> storage_types(const Graph& graph, const std::string& where) {
  const Objects objects(graph, where);
  std::map<std::string_view, at::ScalarType> types;
  for (Ref ref = 0; ref < graph.values.size(); ++ref) {
    if (graph[ref].kind != Kind::kPersistent) continue;
    const Storage s = objects.storage(ref);
    types.emplace(s.key, s.type);
  }
  return types;
}

Content read_zip(Bytes bytes, const std::string& where, bool check_crc) {
  const std::vector<ZipMember> members = read_stored_zip(bytes, where);
  const std::string top = members.empty() ? "" : members[0].name.substr(0, members[0].name.find('/') + 1);
  std::map<std::string, Bytes, std::less<>> files;
  for (const ZipMember& m : members) {
    EOSIN_CHECK(!top.empty() && m.name.rfind(top, 0) == 0, Data, "[{}] member '{}' lies outside the archive's folder '{}'", where, m.name, top);
    const uint32_t crc = check_crc ? static_cast<uint32_t>(::crc32_z(0, m.bytes.data(), m.bytes.size())) : m.crc32;
    EOSIN_CHECK(crc == m.crc32, Data, "[{}] member '{}' is damaged (CRC-32 {:08x}, need {:08x})", where, m.name, crc, m.crc32);
    files.emplace(m.name.substr(top.size()), m.bytes);
  }
  const auto object = files.find("data.pkl");
  EOSIN_CHECK(object != files.end(), Data, "[{}] holds no data.pkl; this is no file of torch.save", where);
  Content content;
  content.graph = pickle::parse(object->second, where, global_names());
  EOSIN_CHECK(content.graph.bytes == object->second.size(), Data, "[{}] bytes follow the pickle in data.pkl", where);
  for (const auto& [name, data] : files)
    if (name.rfind("data/", 0) == 0) content.records.emplace(name.substr(5), data);
  if (const auto order = files.find("byteorder"); order != files.end()) {
    const std::string_view word(reinterpret_cast<const char*>(order->second.data()), order->second.size());
    EOSIN_CHECK(word == "little" || word == "big", Data, "[{}] unknown byte order '{}'", where, word.substr(0, 16));
    content.big_endian = word == "big";
  }
  return content;
}

/// The format before torch 1.6: five pickles (magic, protocol, sizes of the machine's types, the object, storage keys), then for each
/// storage its number of elements and its bytes.
class Stream {
 public:
  Stream(Bytes bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  Content read() {
    constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    const Graph magic = next({}), protocol = next({}), machine = next({});
    check(magic[magic.root].text == kMagic, "no magic number");
    check(protocol[protocol.root].kind == Kind::kInteger && protocol[protocol.root].integer == 1001, "unknown protocol");
    check(little_endian(machine), "it is not from a little-endian machine");
    Content content;
    content.graph = next(global_names());
    const Graph keys = next({});
    check(keys[keys.root].kind == Kind::kList, "no list of storages");
    read_storages(keys, content);
    return content;
  }

 private:
  void check(bool good, const char* what) const { EOSIN_CHECK(good, Data, "[{}] bad torch file of the format before 1.6: {}", where_, what); }
  Graph next(std::span<const std::string_view> allowed) {
    Graph graph = pickle::parse(bytes_, where_, allowed);
    bytes_ = bytes_.subspan(graph.bytes);
    return graph;
  }
  static bool little_endian(const Graph& machine) {
    const std::vector<Ref>& items = machine[machine.root].items;
    for (size_t i = 0; i + 1 < items.size(); i += 2)
      if (machine[items[i]].text == "little_endian") return machine[items[i + 1]].kind == Kind::kBool && machine[items[i + 1]].integer == 1;
    return false;
  }
  void read_storages(const Graph& keys, Content& content) {
    const auto types = storage_types(content.graph, where_);
    ByteReader in(bytes_, where_);
    for (const Ref ref : keys[keys.root].items) {
      const auto type = types.find(keys[ref].text);
      check(keys[ref].kind == Kind::kText && type != types.end(), "a storage that nothing uses");
      const auto count = in.number<uint64_t>();
      check(count <= in.left(), "a storage is longer than the file");
      const Bytes data = in.take(count * c10::elementSize(type->second));
      check(content.records.emplace(keys[ref].text, data).second, "a storage occurs twice");
    }
    check(in.left() == 0, "bytes follow the last storage");
  }

  Bytes bytes_;
  const std::string& where_;
};

}  // namespace

Content read_content(std::span<const uint8_t> bytes, const std::string& where, bool check_crc) {
  const bool zip = bytes.size() >= 4 && std::memcmp(bytes.data(), "PK\3\4", 4) == 0;
  EOSIN_CHECK(zip || (!bytes.empty() && bytes[0] == 0x80), Data, "[{}] is no file of torch.save (neither a zip archive nor a pickle)", where);
  return zip ? read_zip(bytes, where, check_crc) : Stream(bytes, where).read();
}

}  // namespace eosin::torch_file
