#pragma once
// A finished run of a method, as its checkpoint lies on disk: what teachers are taken from.
#include "core/tensor/checkpoint.h"
#include "train/objective.h"

#include <filesystem>
#include <string>

namespace eosin::ssl {

template <class Batch>
void write_run(const std::string& folder, train::Objective<Batch>& method) {
  State task, run;
  task.add("objective", method.state());
  run.add("task", task);
  std::filesystem::create_directories(folder + "/checkpoints");
  save_checkpoint(folder + "/checkpoints", 1, run);
}

}  // namespace eosin::ssl
