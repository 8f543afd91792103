#pragma once
// Resizing with antialias. The u8 form equals Pillow's (releases up to 12) bit for bit; the float form equals torch's antialias.
#include "data/image.h"
#include "data/resample_weights.h"

namespace eosin::data {

/// Resizes: horizontal pass first, always; a pass whose size does not change is skipped; u8 after each pass.
///
/// Errors   Shape if a size is not positive.
/// Differs  Pillow 13 takes the cheaper pass first, which moves some pixels by up to 3 levels.
/// Checked  golden data.resize (u8).
Image resize(ImageView image, int64_t out_height, int64_t out_width, Filter filter);

/// Cuts the box first (no tap sees outside it), resizes, then mirrors left-right and top-bottom.
///
/// Errors   Shape if the box is empty or not inside the picture.
/// Checked  golden data.crop_resize.
Image crop_resize(ImageView image, const Box& box, int64_t out_height, int64_t out_width, Filter filter, bool hflip = false, bool vflip = false);

/// The same filters in float32: no rounding between the passes, no clamp. Mirrored while resizing, at no cost.
///
/// Shapes   image and out hold three planes each; they do not overlap.
/// Checked  golden data.resize (f32).
void resize(ConstPlanes image, Planes out, Filter filter, bool hflip = false, bool vflip = false);

}  // namespace eosin::data
