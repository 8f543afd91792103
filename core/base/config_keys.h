#pragma once
// The keys of a config without the question whether they make a run: for explaining one that is not finished.
#include "core/base/config.h"

namespace eosin::config {

/// As read(), but validate() is not asked, neither of the config nor of what is nested in it: values that only a run needs may be missing.
/// Errors   Config: unknown, mistyped and out-of-range keys, as read().
void read_keys(const Source& source, const VisitFn& visit, std::string_view verb = {});

}  // namespace eosin::config
