#include "core/base/atomic_file.h"
#include "data/tar_file.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

/// Every member, in order and again by its position.
void read(Bytes bytes) {
  const std::string path = as_file(bytes);
  std::vector<data::TarMember> members;
  data::for_each_tar_member(path, [&](const data::TarMember& member, const std::function<std::string()>& read_now) {
    read_now();
    members.push_back(member);
  });
  for (const data::TarMember& member : members) refused([&] { data::read_tar_member(path, member); });
}

std::vector<std::string> seeds() {
  const std::string path = fresh_path("seed.tar");
  data::TarWriter tar(path);
  tar.add("a/0001.jpg", "picture");
  tar.add("a/0001.json", "{}");
  tar.add(std::string(80, 'n') + "/" + std::string(80, 'n'), "a name in two parts");
  tar.commit();
  return {read_file(path)};
}

}  // namespace eosin::fuzz
