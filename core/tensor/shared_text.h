#pragma once
#include "core/tensor/comm.h"

#include <string>

namespace eosin {

/// The text of rank `root` on every rank.
///
/// Checked  tests/train/test_alarms.cpp: two ranks.
std::string shared_text(Comm& comm, const std::string& text, int root = 0);

}  // namespace eosin
