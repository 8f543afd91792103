#include "core/tensor/checkpoint.h"

#include "core/base/atomic_file.h"
#include "core/base/crc32c.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/sha256.h"
#include "core/tensor/safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace eosin {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kChunk = size_t{64} << 20;
constexpr const char* kManifest = "MANIFEST.json";
constexpr const char* kValues = "state.json";
constexpr const char* kUngrouped = "tensors.safetensors";  // tensors whose names have no first part

/// CRC-32C of each 64 MiB of a stream.
class ChunkedCrc {
 public:
  void update(std::string_view bytes) {
    while (!bytes.empty()) {
      if (size_ % kChunk == 0) chunks_.push_back(0);
      const std::string_view part = bytes.substr(0, kChunk - size_ % kChunk);
      chunks_.back() = crc32c(part, chunks_.back());
      size_ += part.size();
      bytes.remove_prefix(part.size());
    }
  }
  uint64_t size() const { return size_; }
  json manifest_entry() const { return {{"size", size_}, {"crc32c", chunks_}}; }
  const std::vector<uint32_t>& chunks() const { return chunks_; }

 private:
  uint64_t size_ = 0;
  std::vector<uint32_t> chunks_;
};

/// "model/blocks.0.x" lies in model.safetensors as "blocks.0.x".
std::map<std::string, TensorMap> by_file(const TensorMap& tensors) {
  std::map<std::string, TensorMap> files;
  for (const auto& [name, tensor] : tensors) {
    const size_t slash = name.find('/');
    if (slash == std::string::npos) {
      files[kUngrouped].emplace(name, tensor);
    } else {
      EOSIN_ASSERT(slash > 0 && name[0] != '.' && name.substr(0, slash) + ".safetensors" != kUngrouped);
      files[name.substr(0, slash) + ".safetensors"].emplace(name.substr(slash + 1), tensor);
    }
  }
  return files;
}

std::string prefix_of(const std::string& file) { return file == kUngrouped ? "" : file.substr(0, file.size() - 12) + "/"; }

// ------------------------------------------------------------------------------------------ writing
/// A folder that disappears unless it was given its final name.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {
    fs::remove_all(path_);
    std::error_code code;
    fs::create_directory(path_, code);
    if (code) fail_errno(fmt::format("[{}] cannot create the folder", path_), code.value());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

  /// Takes the place of `final_path`; what was there is in this folder's place then, and goes with it.
  void publish(const std::string& final_path) const {
    sync_folder(path_);
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, final_path.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno == EEXIST && ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, final_path.c_str(), RENAME_EXCHANGE) == 0) return;
    // a file system without these flags: the old one makes way first
    std::error_code code;
    if (fs::exists(final_path)) fs::rename(final_path, path_ + "-replaced", code);
    if (::rename(path_.c_str(), final_path.c_str()) != 0) fail_errno(fmt::format("[{}] cannot rename to {}", path_, final_path), errno);
    fs::remove_all(path_ + "-replaced", code);
  }

 private:
  std::string path_;
};

json write_tensors(const std::string& path, const TensorMap& tensors) {
  AtomicFile file(path);
  ChunkedCrc crc;
  write_safetensors(
      [&](std::string_view bytes) {
        crc.update(bytes);
        file.write(bytes);
      },
      tensors);
  file.commit();
  return crc.manifest_entry();
}

json write_values(const std::string& path, const json& values) {
  const std::string text = values.dump(1) + "\n";
  write_file(path, text);
  ChunkedCrc crc;
  crc.update(text);
  return crc.manifest_entry();
}

/// `{"manifest": {...}, "sha256": of the compact text of "manifest"}`.
void write_manifest(const std::string& path, int64_t step, const json& files) {
  const json manifest = {{"format", "eosin-checkpoint"}, {"version", 1}, {"step", step}, {"files", files}};
  write_file(path, json{{"manifest", manifest}, {"sha256", sha256(manifest.dump())}}.dump(1) + "\n");
}

/// Folders that a kill has left behind: half-written, replaced or half-deleted checkpoints.
void remove_stale(const std::string& folder) {
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().find(".tmp-") != std::string::npos) stale.push_back(entry.path());
  std::error_code ignored;
  for (const auto& path : stale) fs::remove_all(path, ignored);
}

/// Out of sight in one step, then file by file.
void remove_checkpoint(const std::string& path) {
  const std::string doomed = fmt::format("{}.tmp-{}", path, ::getpid());
  if (::rename(path.c_str(), doomed.c_str()) != 0) fail_errno(fmt::format("[{}] cannot remove", path), errno);
  std::error_code ignored;
  fs::remove_all(doomed, ignored);
}

// ------------------------------------------------------------------------------------------ reading
[[noreturn]] void damaged(const std::string& path, const std::string& what) { fail(ErrorKind::Data, "[{}] is damaged: {}", path, what); }

/// The `files` of a manifest whose own checksum holds.
json read_manifest(const std::string& folder, int64_t step) {
  const std::string path = folder + "/" + kManifest;
  std::error_code code;
  if (!fs::is_regular_file(path, code)) damaged(path, "it is missing");
  const json all = json::parse(read_file(path), nullptr, false);
  if (!all.is_object() || !all.contains("manifest") || all.value("sha256", json()) != sha256(all["manifest"].dump()))
    damaged(path, "SHA-256 does not match");
  const json& manifest = all["manifest"];
  if (manifest.value("format", "") != "eosin-checkpoint") damaged(path, "not an eosin checkpoint");
  EOSIN_CHECK(manifest.value("version", 0) == 1, Data, "[{}] has format version {} (this eosin reads 1)", path, manifest.value("version", 0));
  if (manifest.value("step", int64_t{-1}) != step) damaged(path, fmt::format("belongs to step {}", manifest.value("step", int64_t{-1})));
  return manifest["files"];
}

/// Reads every byte and compares with the manifest's entry.
void verify_file(const std::string& path, const json& entry) {
  std::ifstream in(path, std::ios::binary);
  if (!in) damaged(path, "it is missing or cannot be opened");
  ChunkedCrc crc;
  std::string buffer(size_t{1} << 20, '\0');
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0)
    crc.update({buffer.data(), static_cast<size_t>(in.gcount())});
  const auto size = entry.at("size").get<uint64_t>();
  if (crc.size() != size) damaged(path, fmt::format("has {} bytes, was written with {}", crc.size(), size));
  const auto want = entry.at("crc32c").get<std::vector<uint32_t>>();
  for (size_t i = 0; i < want.size(); ++i)
    if (crc.chunks()[i] != want[i])
      damaged(path, fmt::format("CRC-32C of bytes [{}, {}) is {:08x}, was {:08x}", i * kChunk, std::min<uint64_t>((i + 1) * kChunk, size),
                                crc.chunks()[i], want[i]));
}

std::optional<int64_t> step_of(const std::string& name) {
  int64_t step = 0;
  const char* end = name.data() + name.size();
  if (!name.starts_with("step-") || std::from_chars(name.data() + 5, end, step).ptr != end || step < 0) return std::nullopt;
  return step;
}

/// Every file verified; returns the manifest's `files`.
json verify(const std::string& path, int64_t step) {
  json files = read_manifest(path, step);
  for (const auto& [name, entry] : files.items()) verify_file(path + "/" + name, entry);
  return files;
}

}  // namespace

std::string checkpoint_path(const std::string& folder, int64_t step) { return fmt::format("{}/step-{:08}", folder, step); }

std::vector<int64_t> checkpoint_steps(const std::string& folder) {
  std::vector<int64_t> steps;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code))
    if (const auto step = step_of(entry.path().filename().string())) steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

void save_checkpoint(const std::string& folder, int64_t step, const State& state, int64_t keep) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) fail_errno(fmt::format("[{}] cannot create the folder", folder), code.value());
  remove_stale(folder);
  const std::string path = checkpoint_path(folder, step);
  {
    const TemporaryFolder temporary(fmt::format("{}.tmp-{}", path, ::getpid()));
    json files;
    for (const auto& [name, tensors] : by_file(state.tensors)) files[name] = write_tensors(temporary.file(name), tensors);
    files[kValues] = write_values(temporary.file(kValues), state.values);
    write_manifest(temporary.file(kManifest), step, files);
    temporary.publish(path);
  }
  sync_folder(folder);
  write_file(folder + "/LATEST", fs::path(path).filename().string() + "\n");

  if (keep <= 0) return;
  // What is later than the new one belongs to a stretch that the run has gone back over; of the others the newest stay.
  std::vector<int64_t> surplus = checkpoint_steps(folder);
  const auto newest = std::find(surplus.begin(), surplus.end(), step);
  surplus.erase(newest - std::min<std::ptrdiff_t>(keep - 1, newest - surplus.begin()), newest + 1);
  if (surplus.empty()) return;
  verify(path, step);
  for (int64_t old : surplus) remove_checkpoint(checkpoint_path(folder, old));
}

Checkpoint load_checkpoint(const std::string& path) {
  const auto step = step_of(fs::path(path).filename().string());
  EOSIN_CHECK(step, Data, "[{}] is not the name of a checkpoint (need step-00001000)", path);
  Checkpoint checkpoint{*step, {}, path};
  const json files = verify(path, *step);
  for (const auto& [name, entry] : files.items()) {
    if (name == kValues) {
      checkpoint.state.values = json::parse(read_file(path + "/" + name));
      continue;
    }
    for (auto& [tensor_name, tensor] : read_safetensors(path + "/" + name).tensors)
      checkpoint.state.tensors.emplace(prefix_of(name) + tensor_name, std::move(tensor));
  }
  return checkpoint;
}

std::optional<Checkpoint> load_latest(const std::string& folder) {
  const std::vector<int64_t> steps = checkpoint_steps(folder);
  std::string newest_damage;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    try {
      return load_checkpoint(checkpoint_path(folder, *step));
    } catch (const Error& e) {
      log::warn("{}; going back to the checkpoint before it", e.what());
      if (newest_damage.empty()) newest_damage = e.what();
    }
  }
  EOSIN_CHECK(steps.empty(), Data, "{}; so are all other checkpoints in {}: start afresh in another run folder, or restore one", newest_damage,
              folder);
  return std::nullopt;
}

}  // namespace eosin
