#include "data/stain_profile.h"

#include "core/base/atomic_file.h"

namespace eosin::data {

StainProfile read_stain_profile(const std::string& path) {
  StainProfile profile;
  config::read(config::Source::from_file(path), profile);
  return profile;
}

void write_stain_profile(const StainProfile& profile, const std::string& path) {
  StainProfile copy = profile;
  write_file(path, "# Colours that slides can be brought to: stain.reference of eosin tile and eosin embed (docs/formats.md).\n" +
                       config::to_yaml(config::visit_of(copy)));
}

std::string digest_of(const StainProfile& profile) {
  StainProfile copy = profile;
  return config::hash(config::visit_of(copy), {"name", "source", "pixels"});
}

}  // namespace eosin::data
