#pragma once
// Pictures of a pretraining run for the eye: crops, masks and reconstructions, what the patch tokens tell apart, where the heads look.
#include "core/base/config.h"
#include "core/base/run_folder.h"
#include "data/contact_sheet.h"
#include "data/view_presets.h"
#include "ssl/methods.h"
#include "train/hook.h"
#include "train/tensorboard.h"

#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

namespace eosin::apps {

/// The `pictures` block.
struct PictureConfig {
  int64_t every = 1000, tiles = 4;
  void visit(config::Visitor& v);
};

/// The first three principal components of all patch tokens as red, green and blue, each from its 2nd to its 98th percentile.
///
/// Shapes   tokens_BND, N = rows x cols; returns [B, 3, rows, cols] in [0, 1], float32. All zero where the tokens do not vary.
/// Checked  tests/apps/test_pictures.cpp.
Tensor principal_colors(const Tensor& tokens_BND, int64_t rows, int64_t cols);

/// The fixed tiles of a run: whole, as the encoder is given them, and with the views of its first batch.
struct ShownTiles {
  Tensor whole_BCHW;
  data::ViewBatch views;
};
/// The first `tiles` of the order that can be read.
/// Errors   Data if none can be read.
ShownTiles shown_tiles(const data::TileSource& source, const data::TileOrder& order, const data::MultiCropConfig& views, uint64_t seed, int64_t tiles,
                       int64_t size_px);

/// Draws every `every` steps and at the end, on rank 0, into pictures/*.png (the newest, with captions.json) and TensorBoard (all).
/// A run that is drawn ends with the same bits as one that is not. Where a picture cannot be made the run goes on without.
///
/// Checked  tests/apps/test_pictures.cpp.
class PictureHook final : public train::Hook {
 public:
  PictureHook(int64_t every, ShownTiles tiles, std::shared_ptr<ssl::ViewObjective> objective, c10::Device device, const RunFolder& folder,
              std::shared_ptr<train::EventWriter> events);

  void after(train::StepReport& report) override;

 private:
  struct Sheet;  // named columns of images in [0, 1]
  void draw(int64_t step);
  std::vector<Sheet> sheets();
  void add_encoder_sheets(std::vector<Sheet>& sheets);
  void publish(const Sheet& sheet, int64_t step);

  int64_t every_;
  ShownTiles tiles_;
  std::shared_ptr<ssl::ViewObjective> objective_;
  c10::Device device_;
  const RunFolder& folder_;
  std::shared_ptr<train::EventWriter> events_;
  nlohmann::ordered_json captions_;
};

}  // namespace eosin::apps
