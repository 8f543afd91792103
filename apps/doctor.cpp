// `eosin doctor`: what this machine has, what is missing, and how to get it.
#include "apps/verb.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/file_lock.h"
#include "core/base/machine.h"
#include "core/base/version.h"
#include "core/tensor/comm.h"
#include "core/tensor/device.h"

#include <hdf5.h>
#include <jpeglib.h>
#include <openslide.h>
#include <sys/resource.h>
#include <tiffio.h>
#include <unistd.h>
#include <zlib.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <opencv2/core/utility.hpp>

namespace eosin::apps {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

enum class State { Ok, Warn, Fail };

struct Check {
  std::string name;
  State state;
  std::string found;
  std::string how;  // to get what is missing; empty if all is well
};

const char* name(State state) { return state == State::Ok ? "ok" : state == State::Warn ? "warn" : "fail"; }

std::string gib(uint64_t bytes) { return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1 << 30)); }

Check check_machine() {
  const Machine m = machine();
  const std::string found = fmt::format("{}: {}, {} cores, {} memory, {}", m.host, m.cpu, m.cores, gib(m.memory_bytes), m.system);
  if (m.memory_bytes < uint64_t{2} << 30) return {"machine", State::Warn, found, "training needs 2 GiB of memory or more"};
  return {"machine", State::Ok, found, ""};
}

Check check_libraries() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  const std::string tiff = TIFFGetVersion();  // "LIBTIFF, Version 4.5.0\nCopyright ..."
  const std::string tiff_version = tiff.substr(0, tiff.find('\n')).substr(tiff.find_last_of(' ', tiff.find('\n')) + 1);
  return {"libraries", State::Ok,
          fmt::format("eosin {} ({}), torch {}, HDF5 {}.{}.{}, OpenSlide {}, OpenCV {}, libtiff {}, libjpeg API {}, zlib {}", version(), git_commit(),
                      built_torch_version(), major, minor, release, openslide_get_version(), cv::getVersionString(), tiff_version, JPEG_LIB_VERSION,
                      zlibVersion()),
          ""};
}

Check check_devices() {
  const auto& cuda = device::cuda();
  if (cuda.available) return {"devices", State::Ok, fmt::format("cpu, {} CUDA device{}", cuda.devices, cuda.devices == 1 ? "" : "s"), ""};
  if (!fs::exists("/proc/driver/nvidia/version")) return {"devices", State::Ok, fmt::format("cpu only ({})", cuda.why_not), ""};
  return {"devices", State::Warn, fmt::format("cpu only: an NVIDIA driver is there, but {}", cuda.why_not),
          "scripts/setup --cuda builds the CUDA part"};
}

Check check_disk(const std::string& folder) {
  std::error_code code;
  const auto space = fs::space(folder, code);
  if (code) return {"disk", State::Fail, fmt::format("{}: {}", folder, code.message()), "name a folder that exists: eosin doctor DIR"};
  const std::string found = fmt::format("{}: {} free of {}", folder, gib(space.available), gib(space.capacity));
  if (space.available < uint64_t{1} << 30) return {"disk", State::Fail, found, "make room, or run in a folder of another disk"};
  if (space.available < uint64_t{10} << 30) return {"disk", State::Warn, found, "a store of 100 slides needs about 10 GiB"};
  return {"disk", State::Ok, found, ""};
}

/// Writes as stores and checkpoints are written, and locks as run folders are locked.
Check check_writing(const std::string& folder) {
  constexpr size_t kBytes = 16 << 20;
  const std::string path = fmt::format("{}/.eosin-doctor-{}", folder, ::getpid());
  const std::string lock = path + ".lock";
  try {
    const std::string bytes(kBytes, 'x');
    const auto start = std::chrono::steady_clock::now();
    write_file(path, bytes);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const bool same = read_file(path) == bytes;
    { const FileLock held(lock, folder); }
    fs::remove(path);
    fs::remove(lock);
    const double rate = kBytes / seconds / 1e6;
    const std::string found = fmt::format("{}: 16 MiB written, synced, renamed and locked in {:.2f} s ({:.0f} MB/s)", folder, seconds, rate);
    if (!same) return {"writing", State::Fail, found + ", but other bytes were read", "the disk is damaged; use another"};
    if (rate < 20) return {"writing", State::Warn, found, "a slow disk: checkpoints wait for it; put run.dir on a local one"};
    return {"writing", State::Ok, found, ""};
  } catch (const Error& e) {
    std::error_code ignored;
    fs::remove(path, ignored);
    fs::remove(lock, ignored);
    return {"writing", State::Fail, e.what(), "run in a folder that can be written, or name one: eosin doctor DIR"};
  }
}

Check check_open_files() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::string found = limit.rlim_cur == RLIM_INFINITY ? "no limit" : fmt::format("{} at a time", limit.rlim_cur);
  if (limit.rlim_cur < 1024) return {"open files", State::Warn, found, "ulimit -n 1024 (a store holds one descriptor a shard)"};
  return {"open files", State::Ok, found, ""};
}

Check check_launch() {
  try {
    const LaunchEnv env = read_launch_env();
    if (env.source == "single") return {"launch", State::Ok, "one process (neither torchrun's nor SLURM's variables are set)", ""};
    return {"launch", State::Ok, fmt::format("{}: rank {} of {}, store at {}:{}", env.source, env.rank, env.world, env.master_addr, env.master_port),
            ""};
  } catch (const Error& e) {
    return {"launch", State::Fail, e.what(), "unset the variables, or set all of them"};
  }
}

int run(const Invocation& in) {
  EOSIN_CHECK(in.words.size() <= 1 && in.overrides.empty(), Config, "[doctor] need one folder or nothing (it is where writing is tried)");
  const std::string folder = in.words.empty() ? "." : in.words[0];
  const std::vector<Check> checks = {check_machine(),       check_libraries(),  check_devices(), check_disk(folder),
                                     check_writing(folder), check_open_files(), check_launch()};
  Json rows = Json::array();
  std::string failed;
  for (const Check& c : checks) {
    rows.push_back({{"name", c.name}, {"state", name(c.state)}, {"found", c.found}, {"how", c.how}});
    if (c.state == State::Fail) failed += (failed.empty() ? "" : ", ") + c.name;
    if (!in.json) std::printf("%s\n", fmt::format("{:<4}  {:<10}  {}{}", name(c.state), c.name, c.found, c.how.empty() ? "" : "; " + c.how).c_str());
  }
  if (in.json) print_json(Json{{"checks", rows}});
  std::fflush(stdout);
  EOSIN_CHECK(failed.empty(), Io, "[doctor] failed: {}; see the lines above", failed);
  return 0;
}

}  // namespace

Verb doctor_verb() {
  return {"doctor", "doctor [DIR]", "checks the machine: libraries, devices, disk, writing, launch environment", "eosin doctor", {}, run, nullptr};
}

}  // namespace eosin::apps
