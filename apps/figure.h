#pragma once
// Timed pieces: what `bench` measures, how it repeats, and how it runs the other side.
#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace eosin::apps {

/// One measurement. CPU seconds are those of all threads, user and system.
struct Figure {
  std::string name;
  int64_t items = 0;
  double cpu_seconds = 0, wall_seconds = 0;
  int64_t peak_bytes = 0;
  double flops = 0;                                         // floating-point operations of all items; 0: not counted
  std::vector<std::pair<std::string, double>> stages = {};  // seconds of each part of the work, where it is known
  double per_cpu_second() const { return static_cast<double>(items) / cpu_seconds; }
};

/// Times `work`, which returns how many items it made, in this process.
Figure timed(const std::string& name, const std::function<int64_t()>& work);

/// Runs scripts/peers/<script> and reads the figure that it prints. Its Python is $EOSIN_PYTHON, else that of scripts/setup --python, else
/// python3 of the path.
/// Errors   Io if the script is not found; Config with the script's own last line if it fails (a package is missing).
Figure run_peer(const std::string& script, const std::vector<std::string>& arguments);

/// Repeats the cases in turn, so that what disturbs the machine disturbs all; each row is the median by items a CPU second, with lowest and
/// highest, and the same of items a second, with operations a second and the stages' shares where they are known. From the second case on they are
/// compared: `ratio` and `ratio_wall` are the first case's rates over theirs.
nlohmann::ordered_json compare(const std::vector<std::function<Figure()>>& cases, int64_t repeats);

}  // namespace eosin::apps
