#include "apps/online_probe.h"

#include "core/base/error.h"
#include "data/tile_store_writer.h"
#include "ssl/methods.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>

namespace eosin::apps {
namespace {
namespace fs = std::filesystem;

constexpr uint32_t kSize = 16;
constexpr size_t kTiles = 5;  // of a slide

/// Four slides of two patients a class; dark tiles are one class, bright ones the other.
std::string write_store(const fs::path& folder) {
  data::StoreSettings settings;
  settings.codec = data::Codec::kRaw;
  settings.tile_height = settings.tile_width = kSize;
  settings.identity = "test";
  data::TileStoreWriter writer((folder / "store").string(), settings, {"A", "B", "C", "D"});
  for (size_t s = 0; s < 4; ++s) {
    const std::string id(1, static_cast<char>('A' + s));
    const bool dark = s % 2 == 0;
    data::SlidePart part = writer.begin(id);
    for (size_t i = 0; i < kTiles; ++i) {
      data::TileRow tile;
      tile.x = static_cast<int32_t>(i * kSize);
      tile.level0_size = kSize;
      std::vector<uint8_t> pixels(kSize * kSize * 3);
      for (size_t k = 0; k < pixels.size(); ++k) pixels[k] = static_cast<uint8_t>((dark ? 20 : 200) + (k * (i + 3) + s) % 41);
      part.append(tile, pixels);
    }
    data::SlideRow row;
    row.id = id;
    writer.finish(std::move(part), row,
                  {{"class", std::vector<std::string>(kTiles, dark ? "dark" : "bright")}, {"patient", std::vector<std::string>(kTiles, id)}});
  }
  writer.close();
  return (folder / "store").string();
}

struct OnlineProbeTest : testing::Test {
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "eosin-probe-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
    path = write_store(folder);
    store = std::make_shared<data::TileStore>(path);
    config::Source source;
    source.override_with("method.n_prototypes=7");
    source.override_with("method.hidden_dim=5");
    source.override_with("method.bottleneck_dim=3");
    struct Method {
      config::Choice method{ssl::method_table(), "dino"};
      void visit(config::Visitor& v) { v("method", method, ""); }
    } chosen;
    config::read(source, chosen);
    ssl::Ingredients with;
    with.model.name = "vit_tiny", with.model.image_size_px = kSize;
    with.mean = with.std = {0.5, 0.5, 0.5};
    with.comm = make_single_comm();
    objective = ssl::make_objective(chosen.method, with);
  }
  void TearDown() override { fs::remove_all(folder); }
  OnlineProbe probe(const ProbeConfig& config) {
    return {config, store, c10::Device(c10::kCPU), 2, [this] { return objective->state(); }};
  }
  fs::path folder;
  std::string path;
  std::shared_ptr<const data::TileStore> store;
  std::shared_ptr<ssl::ViewObjective> objective;
};

double value(const train::NamedValues& values, const std::string& name) {
  for (const auto& [key, v] : values)
    if (key == name) return v;
  return NAN;
}

TEST_F(OnlineProbeTest, TellsDarkFromBrightAcrossPatientsAndLeavesTheModelAlone) {
  ProbeConfig config;
  config.k = 3, config.batch_size = 7;
  OnlineProbe p = probe(config);
  const TensorMap live = objective->state().tensors;
  TensorMap before;
  for (const auto& [name, tensor] : live) before.emplace(name, tensor.clone());
  const auto measured = p.measure();
  EXPECT_EQ(value(measured, "knn_accuracy"), 1.0);
  EXPECT_EQ(value(measured, "linear_accuracy"), 1.0);
  EXPECT_GT(value(measured, "rankme"), 1.0);
  EXPECT_GT(value(measured, "nearest_distance"), 0.0);
  for (const auto& [name, tensor] : objective->state().tensors) EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
  EXPECT_EQ(p.measure(), measured);
}

TEST_F(OnlineProbeTest, WithoutLabelsOnlyTheSignsOfCollapse) {
  ProbeConfig config;
  config.label = "diagnosis", config.linear = true;
  const auto measured = probe(config).measure();
  EXPECT_TRUE(std::isnan(value(measured, "knn_accuracy")));
  EXPECT_FALSE(std::isnan(value(measured, "effective_rank")));
}

TEST_F(OnlineProbeTest, AMissingColumnOfANamedStoreIsAConfigError) {
  ProbeConfig config;
  config.store = {path}, config.label = "diagnosis";
  try {
    probe(config);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Config);
    EXPECT_THAT(e.what(), testing::HasSubstr("class"));
  }
}

}  // namespace
}  // namespace eosin::apps
