#pragma once
// The eight symmetries of the square.
#include "data/image.h"

namespace eosin::data {

/// Element i of D4: counter-clockwise by 90 degrees (i mod 4) times, then, for i >= 4, mirrored left-right.
///
/// Errors   Config if i is not in 0..7.
/// Checked  golden data.d4.
Image d4(ImageView image, int i);

/// Any element is a mirroring in x, a mirroring in y, then a transposition or none: the form that a resize takes for free.
struct Orientation {
  bool hflip = false, vflip = false, transpose = false;
};
Orientation d4_orientation(int i);

/// Rows become columns.
Image transposed(ImageView image);
/// Transposes rows and columns of a square picture in place.
/// Errors   Shape if it is not square.
void transpose(Planes image);

}  // namespace eosin::data
