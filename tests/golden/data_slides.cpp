// Slides, tissue masks, grids and tile filters.
#include "tests/golden/runner.h"

#include "data/clam_grid.h"
#include "data/grid.h"
#include "data/slide_reader.h"
#include "data/tile_filter.h"
#include "data/tissue_clam.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

using nlohmann::json;

data::Image image_of(const Tensor& t) {
  data::Image image(t.size(0), t.size(1));
  std::copy_n(t.contiguous().const_data_ptr<uint8_t>(), image.rgb.size(), image.rgb.begin());
  return image;
}

data::Mask mask_of(const Tensor& t) {
  data::Mask mask(t.size(0), t.size(1));
  std::copy_n(t.contiguous().const_data_ptr<uint8_t>(), mask.cells.size(), mask.cells.begin());
  return mask;
}

Tensor tensor_of(const data::Mask& mask) {
  Tensor t = at::empty({mask.height, mask.width}, at::kByte);
  std::copy(mask.cells.begin(), mask.cells.end(), t.mutable_data_ptr<uint8_t>());
  return t;
}

template <class T>
Tensor tensor_of(const std::vector<T>& values, at::IntArrayRef shape) {
  Tensor t = at::empty(shape, at::CppTypeToScalarType<T>::value);
  std::copy(values.begin(), values.end(), t.template mutable_data_ptr<T>());
  return t;
}

Results slide_info(const Case& c) {
  const auto reader = data::open_slide(c.find_file(c.config.at("slide")));
  const data::SlideInfo& info = reader->info();
  std::vector<int64_t> dimensions;
  for (const data::Size& s : info.dimensions) dimensions.insert(dimensions.end(), {s.width, s.height});
  const auto levels = static_cast<int64_t>(info.dimensions.size());
  return {{"out.dimensions", tensor_of(dimensions, {levels, 2})},
          {"out.downsamples", tensor_of(info.downsamples, {levels})},
          {"out.mpp", tensor_of(std::vector<double>{info.mpp_x.value_or(0), info.mpp_y.value_or(0)}, {2})},
          {"out.objective", scalar_f64(info.objective.value_or(0))},
          {"out.vendor", tensor_of(std::vector<uint8_t>(info.vendor.begin(), info.vendor.end()), {static_cast<int64_t>(info.vendor.size())})}};
}

Results read_region(const Case& c) {
  const auto reader = data::open_slide(c.find_file(c.config.at("slide")));
  const data::Image image =
      data::read_region(*reader, {c.config.at("x"), c.config.at("y")}, c.config.at("level"), {c.config.at("w"), c.config.at("h")});
  return {{"out.rgb", tensor_of(image.rgb, {image.height, image.width, 3}).to(at::kFloat)}};
}

data::ClamConfig clam_config(const json& j) {
  data::ClamConfig k;
  k.seg_level = j.value("seg_level", k.seg_level);
  k.sthresh = j.value("sthresh", k.sthresh);
  k.mthresh = j.value("mthresh", k.mthresh);
  k.close = j.value("close", k.close);
  k.use_otsu = j.value("use_otsu", k.use_otsu);
  k.a_t = j.value("a_t", k.a_t);
  k.a_h = j.value("a_h", k.a_h);
  k.max_n_holes = j.value("max_n_holes", k.max_n_holes);
  k.ref_patch_size = j.value("ref_patch_size", k.ref_patch_size);
  return k;
}

data::HsvOtsuConfig otsu_config(const json& j) {
  data::HsvOtsuConfig k;
  k.seg_level = j.value("seg_level", k.seg_level);
  k.mthresh = j.value("mthresh", k.mthresh);
  return k;
}

Results tissue_mask(const Case& c) {
  const bool clam = c.config.at("method") == "clam";
  data::Tissue t;
  if (c.has("in.rgb")) {
    const data::Image picture = image_of(c.at("in.rgb"));
    t = clam ? data::clam_tissue(picture, clam_config(c.config), c.config.at("downsample").at(0), c.config.at("downsample").at(1))
             : data::hsv_otsu_tissue(picture, otsu_config(c.config));
    return {{"out.binary", tensor_of(t.binary)},
            {"out.mask", tensor_of(t.mask)},
            {"out.n_regions", scalar_i64(t.n_regions)},
            {"out.n_holes", scalar_i64(t.n_holes)}};
  }
  const auto reader = data::open_slide(c.find_file(c.config.at("slide")));
  const data::TissueInput input{*reader, c.config.at("slide"), 0};
  t = clam ? data::segment_clam(clam_config(c.config), input) : data::segment_hsv_otsu(otsu_config(c.config), input);
  return {{"out.iou", scalar_f64(data::mask_iou(t.mask, mask_of(c.at("in.reference"))))}, {"out.level", scalar_i64(t.level)}};
}

data::ClamGridSpec clam_grid_spec(const json& j) {
  data::ClamGridSpec k;
  k.patch_size = j.at("patch_size");
  k.step_size = j.at("step_size");
  k.contour_fn = j.at("contour_fn");
  k.use_padding = j.at("use_padding");
  if (j.contains("patch_level_downsample")) {
    k.patch_level_downsample_x = j["patch_level_downsample"].at(0);
    k.patch_level_downsample_y = j["patch_level_downsample"].at(1);
  }
  return k;
}

Tensor tensor_of(const std::vector<data::Point>& points) {
  std::vector<int64_t> values;
  for (const data::Point& p : points) values.insert(values.end(), {p.x, p.y});
  return tensor_of(values, {static_cast<int64_t>(points.size()), 2});
}

std::vector<data::Point> points_of(const Tensor& t) {
  const Tensor rows = t.contiguous();
  const int64_t* xy = rows.const_data_ptr<int64_t>();
  std::vector<data::Point> points;
  for (int64_t i = 0; i < rows.size(0); ++i) points.push_back({xy[2 * i], xy[2 * i + 1]});
  return points;
}

Results clam_coords(const Case& c) {
  const json& k = c.config;
  if (c.has("in.rgb"))
    return {{"out.coords", tensor_of(data::clam_coords({k.at("width"), k.at("height")}, image_of(c.at("in.rgb")), clam_config(k),
                                                       k.at("downsample").at(0), k.at("downsample").at(1), clam_grid_spec(k)))}};
  const auto reader = data::open_slide(c.find_file(k.at("slide")));
  const int64_t patch_level = k.at("patch_level"), edge = data::clam_tile_level0(*reader, patch_level, k.at("patch_size"));
  const data::Size size = reader->info().size();
  const auto tiles = data::clam_coords(*reader, clam_config(k), patch_level, clam_grid_spec(k)), reference = points_of(c.at("in.reference"));
  return {{"out.coverage_iou", scalar_f64(data::mask_iou(data::covered_cells(size, tiles, edge), data::covered_cells(size, reference, edge)))}};
}

Results tile_filter(const Case& c) {
  data::TileFilterConfig k;
  k.hsv_low = c.config.at("hsv_low").get<std::vector<int64_t>>();
  k.hsv_high = c.config.at("hsv_high").get<std::vector<int64_t>>();
  k.min_fraction = c.config.at("min_fraction");
  k.white_saturation = c.config.at("white_saturation");
  k.black_rgb = c.config.at("black_rgb");
  const data::TileVerdict v = data::judge_tile(image_of(c.at("in.rgb")), k);
  return {{"out.fraction", scalar_f64(v.fraction)},
          {"out.hsv_keep", scalar_i64(v.hsv_keep)},
          {"out.white", scalar_i64(v.white)},
          {"out.black", scalar_i64(v.black)}};
}

Results grid(const Case& c) {
  const json& k = c.config;
  const data::Grid g = data::make_grid({k.at("width"), k.at("height")}, mask_of(c.at("in.mask")),
                                       {k.at("mpp"), k.at("target_mpp"), k.at("tile_size"), k.at("overlap"), k.at("min_tissue"), k.at("partial")});
  std::vector<int64_t> coords;
  std::vector<float> fractions;
  for (const data::GridTile& t : g.tiles) {
    coords.insert(coords.end(), {t.x, t.y});
    fractions.push_back(static_cast<float>(t.fraction));
  }
  const auto n = static_cast<int64_t>(g.tiles.size());
  return {{"out.coords", tensor_of(coords, {n, 2})},
          {"out.fraction", tensor_of(fractions, {n})},
          {"out.tile_level0", scalar_i64(g.tile_level0)},
          {"out.step_level0", scalar_i64(g.step_level0)}};
}

Results read_plan(const Case& c) {
  const Tensor downsamples = c.at("in.downsamples").contiguous(), targets = c.at("in.target_mpp").contiguous();
  std::vector<int64_t> level, tile_level0, read_size;
  for (int64_t i = 0; i < targets.numel(); ++i) {
    const data::ReadPlan p = data::read_plan({downsamples.const_data_ptr<double>(), static_cast<size_t>(downsamples.numel())}, c.config.at("mpp"),
                                             targets[i].item<double>(), c.config.at("tile_size"));
    level.push_back(p.level);
    tile_level0.push_back(p.tile_level0);
    read_size.push_back(p.read_size);
  }
  const int64_t n = targets.numel();
  return {{"out.level", tensor_of(level, {n})}, {"out.tile_level0", tensor_of(tile_level0, {n})}, {"out.read_size", tensor_of(read_size, {n})}};
}

}  // namespace

std::vector<Row> data_slides_rows() {
  return {{"data.slide_info", slide_info},   {"data.read_region", read_region}, {"data.tissue_mask", tissue_mask},
          {"data.clam_coords", clam_coords}, {"data.tile_filter", tile_filter}, {"data.grid", grid},
          {"data.read_plan", read_plan}};
}

}  // namespace eosin::golden
