#pragma once
// Slides through OpenSlide (3.4.1 and later).
#include "data/slide_reader.h"

#include <memory>
#include <string>

namespace eosin::data {

/// True if OpenSlide recognises the file's format.
bool openslide_accepts(const std::string& path);

/// Opens a slide; pixels are OpenSlide's premultiplied ARGB over white (channel + 255 - alpha).
/// An OpenSlide handle is dead after any error, so a read that fails is tried once more on a handle of its own; if that succeeds it
/// replaces the dead one. The outcome of a read thus never depends on another thread's damaged region.
/// Errors   Data if the file is damaged.
/// Checked  golden data.slide_info, data.read_region; tests/data/test_slides.cpp.
std::unique_ptr<SlideReader> open_openslide(const std::string& path);

}  // namespace eosin::data
