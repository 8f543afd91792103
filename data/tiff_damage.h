#pragma once
// Why a TIFF that no reader accepts cannot be read.
#include <optional>
#include <string>

namespace eosin::data {

/// libtiff's own words for what is wrong with the directories of a file that begins as a TIFF (a truncated one lacks some of them, for they
/// often lie behind the pixels); nothing if the file is no TIFF, or all its directories can be read.
/// Checked  tests/data/test_slides.cpp.
std::optional<std::string> tiff_damage(const std::string& path);

}  // namespace eosin::data
