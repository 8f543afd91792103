#pragma once
#include <string>

namespace eosin {

/// A lock that one process holds on a folder or store: flock(2) on `path`, whose text names the holder ("host pid"). The system
/// releases it when the process ends, however it ends, so there are no stale locks; the file itself stays.
///
/// Errors   Io at once if another process holds it, naming `what`, host and pid.
class FileLock {
 public:
  FileLock(std::string path, const std::string& what);
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace eosin
