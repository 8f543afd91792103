#pragma once
#include "core/base/atomic_file.h"
#include "mil/learner.h"

#include <map>
#include <optional>
#include <string>

namespace eosin::mil {

/// Finished models on disk, one JSON line each: key, epoch, epochs, score, losses and scores by epoch, answers for validation and test bags.
/// A process killed at any moment leaves whole lines; what is read back has the bits that were written. Weights are not in it.
///
/// Errors   Io; Data naming file and line of one that is no such record.
/// Checked  tests/mil/test_grid.cpp.
class TrialRecords {
 public:
  explicit TrialRecords(const std::string& path);
  /// Null if the model is not finished.
  const TrialResult* find(const std::string& key) const;
  /// On the disk when it returns. A failed model is not recorded: it is tried again.
  void add(const std::string& key, const TrialResult& result);

 private:
  AppendFile file_;
  std::map<std::string, TrialResult> results_;
};

}  // namespace eosin::mil
