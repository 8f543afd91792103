#pragma once
#include "core/base/config.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace eosin::nn {

/// Fills a model's description from JSON; missing keys keep their values.
///
/// Errors   Data naming `where` for what is no object, an unknown key or a wrong type.
void read_description(const nlohmann::json& json, const config::VisitFn& visit, const std::string& where);

}  // namespace eosin::nn
