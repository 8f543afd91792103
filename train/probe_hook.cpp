#include "train/probe_hook.h"

#include "core/tensor/shared_text.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace eosin::train {

void ProbeHook::after(StepReport& report) {
  if (report.done() % every_ != 0 && !report.last()) return;
  auto measured = nlohmann::ordered_json::array();
  if (comm_.rank() == 0)
    for (const auto& [name, value] : measure_()) measured.push_back({name, value});
  // JSON keeps every bit of a finite double; NaN and infinity become null.
  for (const auto& entry : nlohmann::ordered_json::parse(shared_text(comm_, measured.dump())))
    report.measures.emplace_back(entry[0].get<std::string>(), entry[1].is_number() ? entry[1].get<double>() : NAN);
}

}  // namespace eosin::train
