#include "eval/label_maps.h"

#include "core/base/error.h"
#include "core/base/name_order.h"
#include "data/npy.h"
#include "data/png.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>

namespace eosin::eval {
namespace {

namespace fs = std::filesystem;

LabelMap from_png(const std::string& path) {
  const data::GrayPicture p = data::read_gray_png(path);
  return {p.height, p.width, {p.values.begin(), p.values.end()}};
}

LabelMap from_npy(const std::string& path) {
  const Tensor t = data::read_npy(path);
  EOSIN_CHECK(t.dim() == 2 && t.numel() > 0 && at::isIntegralType(t.scalar_type(), /*includeBool=*/true), Data,
              "[{}] is no label map (got {} of {} dimensions, need whole numbers [H, W])", path, c10::toString(t.scalar_type()), t.dim());
  const Tensor whole = t.to(at::kLong).contiguous();
  const int64_t* v = whole.const_data_ptr<int64_t>();
  return {t.size(0), t.size(1), {v, v + whole.numel()}};
}

std::map<std::string, std::string> maps_of(const std::string& dir) {
  EOSIN_CHECK(fs::is_directory(dir), Io, "[segmentation] there is no folder '{}'", dir);
  std::map<std::string, std::string> files;
  for (const auto& e : fs::directory_iterator(dir)) {
    const std::string ending = e.path().extension().string();
    if (ending != ".png" && ending != ".npy") continue;
    const auto [it, fresh] = files.emplace(e.path().stem().string(), e.path().string());
    EOSIN_CHECK(fresh, Data, "[segmentation] '{}' and '{}' have one name; leave one out", it->second, e.path().string());
  }
  EOSIN_CHECK(!files.empty(), Data, "[segmentation] '{}' holds no label map (.png or .npy)", dir);
  return files;
}

}  // namespace

LabelMap read_label_map(const std::string& path) {
  LabelMap map = fs::path(path).extension() == ".npy" ? from_npy(path) : from_png(path);
  for (size_t i = 0; i < map.labels.size(); ++i)
    EOSIN_CHECK(map.labels[i] >= 0, Data, "[{}] label {} of pixel ({}, {}) is negative", path, map.labels[i], static_cast<int64_t>(i) % map.width,
                static_cast<int64_t>(i) / map.width);
  return map;
}

std::vector<MapPair> pair_label_maps(const std::string& target_dir, const std::string& pred_dir) {
  const auto targets = maps_of(target_dir), preds = maps_of(pred_dir);
  std::vector<std::string> ids;
  for (const auto& [id, path] : targets) ids.push_back(id);
  order_names(ids);
  std::vector<MapPair> pairs;
  for (const auto& id : ids) {
    const auto it = preds.find(id);
    EOSIN_CHECK(it != preds.end(), Data, "[segmentation] '{}' has no prediction in {} ({} truths, {} predictions); leave its truth out", id, pred_dir,
                targets.size(), preds.size());
    pairs.push_back({id, targets.at(id), it->second});
  }
  return pairs;
}

}  // namespace eosin::eval
