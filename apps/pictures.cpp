#include "apps/pictures.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/nn/attention_maps.h"
#include "core/nn/backbone.h"
#include "core/nn/encoder.h"
#include "core/nn/weights.h"
#include "data/multicrop.h"
#include "data/png.h"
#include "data/tile_reader.h"
#include "ssl/illustrated.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace eosin::apps {
namespace {

constexpr int64_t kMostHeads = 6;  // beside the mean of all

/// Views of one tile, appended to the columns of the batch.
void append_views(const data::ViewMaker& maker, const data::Image& tile, uint64_t seed, uint64_t position,
                  std::vector<std::vector<Tensor>>& columns) {
  std::vector<float*> out;
  for (int64_t v = 0; v < maker.n_views(); ++v) {
    columns[static_cast<size_t>(v)].push_back(at::empty({3, maker.size_px(v), maker.size_px(v)}));
    out.push_back(columns[static_cast<size_t>(v)].back().mutable_data_ptr<float>());
  }
  maker.make(tile, seed, position, out);
}

Tensor per_channel(const std::vector<double>& values) { return at::tensor(values, at::kFloat).view({1, -1, 1, 1}); }

/// [B, 3, H, W] in [0, 1] of normalised images.
Tensor denormalized(const Tensor& images_BCHW, const nn::EncoderSpec& spec) {
  return (images_BCHW.detach().to(at::kCPU, at::kFloat) * per_channel(spec.std) + per_channel(spec.mean)).clamp(0, 1);
}

/// Patches as squares of pixels.
Tensor enlarged(const Tensor& maps_BCHW, int64_t patch) { return maps_BCHW.repeat_interleave(patch, 2).repeat_interleave(patch, 3); }

/// Black over red to pale yellow, each map from 0 to its largest value.
///
/// Shapes   maps_BN -> [B, 3, rows, cols].
Tensor heat(const Tensor& maps_BN, int64_t rows, int64_t cols) {
  static const std::array<std::array<float, 3>, 5> stops = {
      {{0, 0, 0.02f}, {0.34f, 0.06f, 0.43f}, {0.73f, 0.21f, 0.33f}, {0.98f, 0.56f, 0.04f}, {0.99f, 1, 0.64f}}};
  const Tensor level = maps_BN / maps_BN.amax(1, true).clamp_min(1e-12) * static_cast<double>(stops.size() - 1);
  const Tensor table = at::from_blob(const_cast<float*>(stops.front().data()), {static_cast<int64_t>(stops.size()), 3}, at::kFloat);
  const Tensor low = level.floor().clamp_max(static_cast<double>(stops.size() - 2)), share = (level - low).unsqueeze(-1);
  const Tensor index = low.to(at::kLong).flatten();
  const auto colors = [&](const Tensor& i) { return table.index_select(0, i).view({maps_BN.size(0), -1, 3}); };
  return at::lerp(colors(index), colors(index + 1), share).transpose(1, 2).reshape({-1, 3, rows, cols});
}

data::Image to_image(const Tensor& image_CHW) {
  const Tensor bytes = (image_CHW * 255 + 0.5).clamp(0, 255).to(at::kByte).permute({1, 2, 0}).contiguous();
  data::Image image(bytes.size(0), bytes.size(1));
  std::copy_n(bytes.const_data_ptr<uint8_t>(), image.rgb.size(), image.rgb.begin());
  return image;
}

/// The encoder as it is now, on its own: the teacher where there is one.
std::shared_ptr<nn::Backbone> current_encoder(const State& state, const nn::EncoderSpec& spec) {
  const std::string prefix = nn::backbone_prefix(state.tensors, "pictures");
  TensorMap weights;
  for (const auto& [name, tensor] : state.tensors)
    if (name.starts_with(prefix)) weights.emplace(name.substr(prefix.size()), tensor);
  auto encoder = nn::make_backbone(spec.model);
  nn::load_weights(*encoder, weights);
  encoder->eval();
  return encoder;
}

}  // namespace

void PictureConfig::visit(config::Visitor& v) {
  using config::Range;
  v("every", every, "steps between two sets of pictures (masks, reconstructions, patch tokens, attention); one at the end; 0 = none", Range{0, 1e12});
  v("tiles", tiles, "tiles that are shown", Range{1, 64});
}

Tensor principal_colors(const Tensor& tokens_BND, int64_t rows, int64_t cols) {
  const Tensor flat = tokens_BND.detach().to(at::kCPU, at::kDouble).flatten(0, 1), centred = flat - flat.mean(0, true);
  const auto [values, vectors] = at::linalg_eigh(at::matmul(centred.t(), centred));
  const int64_t components = std::min<int64_t>(3, vectors.size(1));
  Tensor axes = vectors.slice(1, vectors.size(1) - components).flip(1);  // the largest first
  const Tensor strongest = axes.gather(0, axes.abs().argmax(0, true));
  axes = axes * at::where(strongest < 0, -1.0, 1.0);  // an axis has no sign of its own: its largest entry is positive
  const Tensor scores = at::matmul(centred, axes);
  const Tensor low = at::quantile(scores, 0.02, 0, true), high = at::quantile(scores, 0.98, 0, true);
  const Tensor colors = ((scores - low) / (high - low).clamp_min(1e-12)).clamp(0, 1).to(at::kFloat);
  Tensor padded = at::zeros({colors.size(0), 3});
  padded.slice(1, 0, components).copy_(colors);
  return padded.view({tokens_BND.size(0), rows, cols, 3}).permute({0, 3, 1, 2}).contiguous();
}

ShownTiles shown_tiles(const data::TileSource& source, const data::TileOrder& order, const data::MultiCropConfig& views, uint64_t seed, int64_t tiles,
                       int64_t size_px) {
  const data::ViewMaker maker(views);
  data::EvalViewConfig whole_view;
  whole_view.resize_px = whole_view.crop_px = size_px;
  whole_view.mean = views.mean, whole_view.std = views.std;
  std::vector<std::vector<Tensor>> columns(static_cast<size_t>(maker.n_views()));
  std::vector<Tensor> whole;
  ShownTiles shown;
  std::vector<uint8_t> buffer;
  for (uint64_t position = 0; position < std::min(static_cast<uint64_t>(tiles), source.n_tiles()); ++position) {
    const data::TileDraw draw{order.at(position), position};
    data::Image tile;
    try {
      source.read_image(draw, buffer, tile);
      shown.views.ids.push_back(source.id(draw));
    } catch (const Error& e) {
      log::warn("[pictures] left out: {}", e.what());
      continue;
    }
    append_views(maker, tile, seed, position, columns);
    whole.push_back(at::empty({3, size_px, size_px}));
    data::eval_view(tile, whole_view, {whole.back().mutable_data_ptr<float>(), size_px, size_px});
  }
  EOSIN_CHECK(!whole.empty(), Data, "[pictures] no tile can be read");
  shown.whole_BCHW = at::stack(whole);
  for (const auto& column : columns) shown.views.views_BCHW.push_back(at::stack(column));
  return shown;
}

struct PictureHook::Sheet {
  std::string name, caption;
  std::vector<Tensor> columns_BCHW;
};

PictureHook::PictureHook(int64_t every, ShownTiles tiles, std::shared_ptr<ssl::ViewObjective> objective, c10::Device device, const RunFolder& folder,
                         std::shared_ptr<train::EventWriter> events)
    : every_(every), tiles_(std::move(tiles)), objective_(std::move(objective)), device_(device), folder_(folder), events_(std::move(events)) {
  tiles_.views = data::to_device(std::move(tiles_.views), device_);
}

void PictureHook::after(train::StepReport& report) {
  if (report.done() % every_ == 0 || report.last()) draw(report.done());
}

void PictureHook::draw(int64_t step) {
  const at::NoGradGuard no_grad;
  try {
    std::filesystem::create_directories(folder_.path("pictures"));
    for (const Sheet& sheet : sheets()) publish(sheet, step);
    write_file(folder_.path("pictures/captions.json"), captions_.dump(2) + "\n");
    if (events_) events_->flush();
  } catch (const std::exception& e) {
    log::warn("[pictures] none after step {}: {}", step, e.what());
  }
}

std::vector<PictureHook::Sheet> PictureHook::sheets() {
  const State state = objective_->state();
  const auto spec = nn::encoder_spec_from_json(state.values.at("encoder"), "method");
  std::vector<Sheet> all;
  if (auto* shows = dynamic_cast<ssl::Illustrated*>(objective_.get())) {
    ssl::Illustration made = shows->illustrate(tiles_.views);
    Sheet sheet{std::move(made.name), std::move(made.caption), {}};
    for (const Tensor& column : made.columns_BCHW) sheet.columns_BCHW.push_back(denormalized(column, spec));
    if (!sheet.columns_BCHW.empty()) all.push_back(std::move(sheet));
  }
  add_encoder_sheets(all);
  return all;
}

/// Of an encoder whose patches stay where they are; attention of one whose class token sees them all.
void PictureHook::add_encoder_sheets(std::vector<Sheet>& sheets) {
  const State state = objective_->state();
  const auto spec = nn::encoder_spec_from_json(state.values.at("encoder"), "method");
  const auto encoder = current_encoder(state, spec);
  encoder->to(device_);
  nn::ImageTokens tokens;
  const Tensor attention_BHN = nn::last_attention_of_first_token([&] { tokens = encoder->encode({tiles_.whole_BCHW.to(device_)}).front(); });
  const auto [rows, cols] = tokens.grid;
  const int64_t patches = rows * cols, patch = tiles_.whole_BCHW.size(2) / rows;
  if (tokens.patches_BND.size(1) != patches) return;
  const Tensor whole = denormalized(tiles_.whole_BCHW, spec);
  sheets.push_back({"patch_components",
                    "tile; first three principal components of its patch tokens as red, green, blue",
                    {whole, enlarged(principal_colors(tokens.patches_BND, rows, cols), patch)}});
  if (!tokens.class_BD.defined() || !attention_BHN.defined() || attention_BHN.size(2) < patches) return;
  const Tensor patches_BHN = attention_BHN.slice(2, attention_BHN.size(2) - patches).to(at::kCPU);
  Sheet sheet{"attention", "tile; attention of the last block's class token, mean of all heads; then single heads", {whole}};
  const auto add = [&, r = rows, c = cols](const Tensor& map_BN) { sheet.columns_BCHW.push_back(enlarged(heat(map_BN, r, c), patch)); };
  add(patches_BHN.mean(1));
  for (int64_t head = 0; head < std::min(kMostHeads, patches_BHN.size(1)); ++head) add(patches_BHN.select(1, head));
  sheets.push_back(std::move(sheet));
}

void PictureHook::publish(const Sheet& sheet, int64_t step) {
  std::vector<std::vector<data::Image>> rows;
  for (int64_t i = 0; i < sheet.columns_BCHW.front().size(0); ++i) {
    rows.emplace_back();
    for (const Tensor& column : sheet.columns_BCHW) rows.back().push_back(to_image(column[i]));
  }
  const data::Image image = data::contact_sheet(rows);
  const std::vector<uint8_t> png = data::encode_png(image);
  write_file(folder_.path("pictures/" + sheet.name + ".png"), std::span<const uint8_t>(png));
  captions_[sheet.name + ".png"] = fmt::format("{} (step {})", sheet.caption, step);
  if (events_) events_->image(sheet.name, step, {reinterpret_cast<const char*>(png.data()), png.size()}, image.height, image.width, 3);
}

}  // namespace eosin::apps
