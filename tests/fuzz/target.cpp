#include "tests/fuzz/target.h"

#include "core/base/atomic_file.h"
#include "tests/temporary_folder.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace eosin::fuzz {
namespace {

namespace fs = std::filesystem;

const TemporaryFolder& folder() {
  static const TemporaryFolder made;
  return made;
}

fs::path golden_folder() {
  const char* given = std::getenv("EOSIN_GOLDEN");
  return (given ? fs::path(given) : fs::path(EOSIN_SOURCE_DIR) / "../shared/golden") / "data";
}

std::vector<fs::path> files_in(const fs::path& where, const char* ending) {
  std::vector<fs::path> files;
  if (fs::is_directory(where))
    for (const auto& entry : fs::directory_iterator(where))
      if (entry.path().extension() == ending) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// `in.bytes` of a case of that operation; the cases are sound files of safetensors.
std::string input_of(const std::string& file, const std::string& op) {
  uint64_t n = 0;
  std::memcpy(&n, file.data(), sizeof n);
  const auto header = nlohmann::json::parse(file.substr(8, n));
  if (header["__metadata__"]["op"] != op || !header.contains("in.bytes")) return {};
  const std::vector<uint64_t> at = header["in.bytes"]["data_offsets"];
  return file.substr(8 + n + at[0], at[1] - at[0]);
}

}  // namespace

std::vector<std::string> golden_inputs(const std::string& op) {
  std::vector<std::string> inputs;
  for (const auto& path : files_in(golden_folder(), ".safetensors"))
    if (std::string input = input_of(read_file(path.string()), op); !input.empty()) inputs.push_back(std::move(input));
  return inputs;
}

std::vector<std::string> golden_files(const std::string& prefix) {
  std::vector<std::string> contents;
  for (const auto& path : files_in(golden_folder() / "files", ".h5"))
    if (path.filename().string().rfind(prefix, 0) == 0) contents.push_back(read_file(path.string()));
  return contents;
}

std::vector<std::string> with(std::vector<std::string> files, const std::vector<std::string>& more) {
  files.insert(files.end(), more.begin(), more.end());
  return files;
}

std::string as_file(Bytes bytes) {
  static const std::string path = folder() / "input";
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}

std::string fresh_path(const std::string& name) { return folder() / name; }

}  // namespace eosin::fuzz

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  for (int i = 1; i < *argc; ++i) {
    const std::filesystem::path corpus = (*argv)[i];
    if (!std::filesystem::is_directory(corpus)) continue;
    size_t number = 0;
    for (const std::string& seed : eosin::fuzz::seeds()) std::ofstream(corpus / fmt::format("seed-{:03}", number++), std::ios::binary) << seed;
    break;
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  eosin::fuzz::refused([&] { eosin::fuzz::read({data, size}); });
  return 0;
}
