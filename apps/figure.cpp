#include "apps/figure.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/process_group.h"
#include "core/tensor/device.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>

namespace eosin::apps {
namespace {

namespace fs = std::filesystem;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

fs::path cache_folder() {
  if (const auto cache = environment("EOSIN_CACHE"); !cache.empty()) return cache;
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty()) return fs::path(cache) / "eosin";
  return fs::path(environment("HOME")) / ".cache" / "eosin";
}

std::string find_python() {
  if (const auto python = environment("EOSIN_PYTHON"); !python.empty()) return python;
  const fs::path own = cache_folder() / "python" / "bin" / "python";
  return fs::exists(own) ? own.string() : "python3";
}

/// Beside the build folder that this program lies in, or below the working directory.
std::string find_script(const std::string& name) {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  for (const fs::path& root : {program.parent_path() / ".." / "..", fs::current_path()}) {
    const fs::path script = root / "scripts" / "peers" / name;
    if (fs::exists(script)) return script.lexically_normal().string();
  }
  fail(ErrorKind::Io, "[bench] scripts/peers/{} is not found beside the build folder or below the working directory; run from the checkout", name);
}

}  // namespace

Figure timed(const std::string& name, const std::function<int64_t()>& work) {
  using Clock = std::chrono::steady_clock;
  Figure figure{.name = name};
  const double cpu = cpu_seconds();
  const auto wall = Clock::now();
  figure.items = work();
  figure.wall_seconds = std::chrono::duration<double>(Clock::now() - wall).count();
  figure.cpu_seconds = cpu_seconds() - cpu;
  figure.peak_bytes = device::peak_memory();
  return figure;
}

Figure run_peer(const std::string& script, const std::vector<std::string>& arguments) {
  ProcessSpec spec{.argv = {"/usr/bin/env", find_python(), find_script(script)}, .environment = {}, .inherited_fd = {}};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  std::string result, complaint;
  GroupOptions options;
  options.on_line = [&](size_t, bool is_stderr, const std::string& line) { (is_stderr ? complaint : result) = line; };
  const GroupResult done = run_process_group({spec}, options);
  EOSIN_CHECK(done.exit_code == 0, Config,
              "[bench] the peer {} failed (exit code {}): {}; its Python comes with scripts/setup --python, or is named by EOSIN_PYTHON", script,
              done.exit_code, complaint.starts_with("error: ") ? complaint.substr(7) : complaint);
  const auto row = nlohmann::json::parse(result, nullptr, false);
  EOSIN_CHECK(row.is_object(), Data, "[bench] the peer {} did not end with a JSON object (got '{}')", script, result);
  return {row.at("name"), row.at("items"), row.at("cpu_seconds"), row.at("wall_seconds"), row.at("peak_bytes")};
}

nlohmann::ordered_json compare(const std::vector<std::function<Figure()>>& cases, int64_t repeats) {
  std::vector<std::vector<Figure>> figures(cases.size());
  for (int64_t r = 0; r < repeats; ++r)
    for (size_t c = 0; c < cases.size(); ++c) {
      figures[c].push_back(cases[c]());
      log::info("[bench] {}: {:.1f} items a CPU second ({} of {})", figures[c].back().name, figures[c].back().per_cpu_second(), r + 1, repeats);
    }
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  double first_rate = 0, first_wall = 0;
  for (auto& all : figures) {
    std::vector<double> wall;
    for (const Figure& f : all) wall.push_back(static_cast<double>(f.items) / f.wall_seconds);
    std::sort(wall.begin(), wall.end());
    std::sort(all.begin(), all.end(), [](const Figure& a, const Figure& b) { return a.per_cpu_second() < b.per_cpu_second(); });
    const Figure& median = all[all.size() / 2];
    const double wall_rate = wall[wall.size() / 2];
    nlohmann::ordered_json row = {{"name", median.name},
                                  {"items", median.items},
                                  {"cpu_seconds", median.cpu_seconds},
                                  {"wall_seconds", median.wall_seconds},
                                  {"items_per_cpu_second", median.per_cpu_second()},
                                  {"lowest", all.front().per_cpu_second()},
                                  {"highest", all.back().per_cpu_second()},
                                  {"items_per_second", wall_rate},
                                  {"lowest_per_second", wall.front()},
                                  {"highest_per_second", wall.back()},
                                  {"peak_bytes", median.peak_bytes}};
    if (median.flops > 0) {
      const double an_item = median.flops / static_cast<double>(median.items);
      row["gflop_per_item"] = an_item * 1e-9;
      row["tflop_per_second"] = an_item * wall_rate * 1e-12;
    }
    for (const auto& [stage, seconds] : median.stages) row["stages"][stage] = seconds / median.wall_seconds;
    if (rows.empty()) {
      first_rate = median.per_cpu_second(), first_wall = wall_rate;
    } else {
      row["ratio"] = first_rate / median.per_cpu_second();
      row["ratio_wall"] = first_wall / wall_rate;
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace eosin::apps
