#pragma once
// A folder for what a bench makes, removed with it.
#include "core/base/error.h"

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <string>

namespace eosin::apps {

/// Errors   Io if it cannot be made.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "eosin-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail_errno("[bench] cannot make a folder " + name, errno);
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string path() const { return path_.string(); }
  std::string store() const { return (path_ / "store").string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace eosin::apps
