#pragma once
// Tar archives as WebDataset sets have them: plain files, in ustar, GNU or pax dress, by libarchive.
//
// Goals      nothing of an archive is trusted: names that leave the folder or are no text, members larger than the limits and truncated
//            archives are errors with archive and member; nothing is ever unpacked to a name of the archive's choice.
// Non-goals  compressed archives (they cannot be read at a position), links, devices: what is not a file is passed over.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace eosin::data {

inline constexpr uint64_t kLargestTarMember = uint64_t{64} << 20;

struct TarMember {
  std::string name;     // a relative path of UTF-8 text
  uint64_t header = 0;  // where its (first) header begins in the archive
  uint64_t bytes = 0;
};

/// Calls `use` for every file of the archive, in order; `read` gives its bytes while `use` runs.
/// Errors   Io if it cannot be opened; Data naming archive and member: not a tar, truncated, no end mark, a name as above, more than
///          kLargestTarMember bytes.
/// Checked  tests/data/test_tar_file.cpp: archives of Python's tarfile in each dress, truncation at every block, hostile names and sizes.
void for_each_tar_member(const std::string& path, const std::function<void(const TarMember&, const std::function<std::string()>& read)>& use);

/// The bytes of one file. Errors   Io; Data as above, or if the archive has changed.
std::string read_tar_member(const std::string& path, const TarMember& member);

/// Writes an archive that is complete or absent. The same members give the same bytes: no times, no owners.
/// Errors   Io, naming path and bytes, and the free space where the disk is full.
class TarWriter {
 public:
  explicit TarWriter(const std::string& path);
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  void add(const std::string& name, std::string_view bytes);
  uint64_t bytes() const;  // so far
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace eosin::data
