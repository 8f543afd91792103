#pragma once
// A fit of stains to pixels, or the reason why there is none: pictures of glass and of a single colour are ordinary, not exceptional.
#include <optional>
#include <utility>

#include "core/base/error.h"

namespace eosin::data {

enum class StainFault { kTooLittleTissue, kDegenerateStains };

/// "too_little_tissue", "degenerate_stains": the words of logs, results and slides.jsonl.
inline const char* name(StainFault fault) { return fault == StainFault::kTooLittleTissue ? "too_little_tissue" : "degenerate_stains"; }

template <class Fit>
class Fitted {
 public:
  Fitted(Fit fit) : fit_(std::move(fit)) {}
  Fitted(StainFault fault) : fault_(fault) {}

  explicit operator bool() const { return fit_.has_value(); }
  const Fit& operator*() const { return *fit_; }
  const Fit* operator->() const { return &*fit_; }
  /// Of a fit that is not there.
  StainFault fault() const { return fault_; }
  /// Errors   Data, naming the fault.
  const Fit& value() const {
    EOSIN_CHECK(fit_, Data, "[stain] {}: the stains of the picture cannot be told apart", name(fault_));
    return *fit_;
  }

 private:
  std::optional<Fit> fit_;
  StainFault fault_{};
};

}  // namespace eosin::data
