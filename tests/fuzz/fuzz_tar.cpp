#include "data/tar_file.h"

#include "tests/data/tar_fixture.h"
#include "tests/fuzz/target.h"

namespace eosin::fuzz {

/// Every member as it comes, and again by its position.
void read(Bytes bytes) {
  const std::string path = as_file(bytes);
  std::vector<data::TarMember> members;
  refused([&] {
    data::for_each_tar_member(path, [&](const data::TarMember& member, const auto& read_member) {
      members.push_back(member);
      read_member();
    });
  });
  for (const data::TarMember& member : members) refused([&] { data::read_tar_member(path, member); });
}

std::vector<std::string> seeds() {
  using namespace data;
  const std::string deep(150, 'd');
  return {tar_entry("a.jpg", "abc") + tar_entry("a.json", "{}") + tar_end(), gnu_long_name(deep) + tar_entry("cut", "x") + tar_end(),
          pax_name("é.png") + tar_entry("ascii", "y") + tar_entry("folder/", "", '5') + tar_end()};
}

}  // namespace eosin::fuzz
