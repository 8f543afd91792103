#pragma once
// Zip archives whose members are stored, not compressed: what torch.save writes.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace eosin {

struct ZipMember {
  std::string name;
  std::span<const uint8_t> bytes;  // of the archive
  uint32_t crc32 = 0;              // as the archive says; not compared here
};

/// The members of an archive in the order of its directory, zip64 or not. The directory must end the file (no comment), agree with each
/// member's own header, and no two members may overlap.
///
/// Errors   Data naming `where`, the member and the rule: truncated, no or a wrong directory, compressed or encrypted members, a name twice,
///          several disks.
/// Checked  golden data.pickle_reader; tests/tensor/test_torch_archive.cpp.
std::vector<ZipMember> read_stored_zip(std::span<const uint8_t> bytes, const std::string& where);

}  // namespace eosin
