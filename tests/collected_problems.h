#pragma once
#include "core/base/config.h"

#include <string>

namespace eosin {

/// What checks of a config have found: "key: message", a line each.
struct Collected final : config::Problems {
  void add(std::string_view key, const std::string& message) override { all += std::string(key) + ": " + message + "\n"; }
  std::string all;
};

}  // namespace eosin
