#pragma once
#include "data/slide_reader.h"
#include "data/tiff_tiles.h"

#include <memory>
#include <string>

namespace eosin::data {

/// The "tiff" row: slides in tiled JPEG TIFF (Aperio SVS, generic pyramids), read without OpenSlide's lock, cache and blit.
///
/// OpenSlide says what the slide is (levels, properties) and reads what this reader does not: levels of another compression, and regions that
/// do not begin on a whole pixel of their level. Tiles of every level are read both ways on opening; at the first difference OpenSlide
/// reads the whole slide and the log says why. So it does an Aperio slide that lacks tiles: it shows other levels there. What any other file
/// lacks is white, and regions of such a level that do not begin on a whole pixel begin at the nearest one.
/// Errors   as open_slide.
/// Checked  golden data.read_region; tests/data/test_tiff_reader.cpp: the same pixels as OpenSlide's, damage, threads.
std::unique_ptr<SlideReader> open_tiff_slide(const std::string& path);
/// A reader of the tiles alone, whose levels are those of `info`. A region that does not begin on a whole pixel of its level begins at the
/// nearest one.
std::unique_ptr<SlideReader> make_tiff_reader(SlideInfo info, TiffTiles tiles);
bool tiff_reader_accepts(const std::string& path);

}  // namespace eosin::data
