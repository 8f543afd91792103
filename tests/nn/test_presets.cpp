#include "core/base/error.h"
#include "core/nn/presets.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace eosin::nn {
namespace {

using testing::HasSubstr;

TEST(Presets, RowsAreSoundAndGiveThePublishedFeature) {
  std::set<std::string> names;
  for (const PresetRow& row : presets()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_NO_THROW(check(row.spec.model)) << row.name;
    EXPECT_THAT(row.one_line, HasSubstr(std::to_string(feature_dim(row.spec.model)))) << row.name;
    EXPECT_EQ(row.spec.mean.size(), 3u);
    EXPECT_EQ(spec_of(row, row.spec.model, "here").mean, row.spec.mean);
  }
  EXPECT_EQ(preset("virchow2").spec.vit().feature_dim(), 2560);
  EXPECT_EQ(preset("midnight").spec.vit().grid().count(), 37 * 37);
  EXPECT_EQ(preset("midnight").spec.shown_size(), (std::vector<int64_t>{224, 224}));
  EXPECT_EQ(std::get<SwinConfig>(preset("ctranspath").spec.model).stem, "conv");
  EXPECT_EQ(preset("conch").spec.shown_size(), (std::vector<int64_t>{448, 448}));
  EXPECT_EQ(preset("conch").spec.vit().global_pool, "attention");
  EXPECT_THAT(message_of([] { preset("uni_2h"); }, ErrorKind::Config), HasSubstr("did you mean 'uni2_h'?"));
}

/// Pixel values as the models' cards and loaders give them.
TEST(Presets, PixelsAreThePublishedOnes) {
  using Reals = std::vector<double>;
  struct Pixels {
    Reals mean, std;
    std::string interpolation;
    double crop_pct = 1.0;
    std::vector<std::string> presets;
  };
  const Reals imagenet_mean = {0.485, 0.456, 0.406}, imagenet_std = {0.229, 0.224, 0.225}, half = {0.5, 0.5, 0.5};
  const std::vector<Pixels> table = {
      {imagenet_mean, imagenet_std, "bilinear", 1.0, {"uni", "uni2_h", "phikon", "ctranspath"}},
      {imagenet_mean, imagenet_std, "bicubic", 1.0, {"virchow", "virchow2", "phikon_v2", "gpfm"}},
      {imagenet_mean, imagenet_std, "bicubic", 0.875, {"prov_gigapath"}},
      {half, half, "bilinear", 1.0, {"midnight", "kaiko_s16", "kaiko_s8", "kaiko_b16", "kaiko_b8", "kaiko_l14"}},
      {{0.707223, 0.578729, 0.703617}, {0.211883, 0.230117, 0.177517}, "bicubic", 1.0, {"h_optimus_0", "h_optimus_1"}},
      {{0.7068, 0.5755, 0.722}, {0.195, 0.2316, 0.1816}, "bicubic", 1.0, {"hibou_b", "hibou_l"}},
      {{0.70322989, 0.53606487, 0.66096631}, {0.21716536, 0.26081574, 0.20723464}, "bicubic", 1.0, {"lunit_s16", "lunit_s8"}},
      {{0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}, "bicubic", 1.0, {"conch"}},
  };
  size_t rows = 0;
  for (const Pixels& want : table)
    for (const std::string& name : want.presets) {
      const EncoderSpec& got = preset(name).spec;
      EXPECT_EQ(got.mean, want.mean) << name;
      EXPECT_EQ(got.std, want.std) << name;
      EXPECT_EQ(got.interpolation, want.interpolation) << name;
      EXPECT_EQ(got.crop_pct, want.crop_pct) << name;
      ++rows;
    }
  EXPECT_EQ(rows, presets().size());
}

TEST(Presets, AnotherArchitectureIsNamedWithBoth) {
  const std::string what = message_of([] { spec_of(preset("uni"), preset("phikon").spec.vit(), "phikon.bin"); }, ErrorKind::Data);
  EXPECT_THAT(what, HasSubstr("phikon.bin does not hold uni: width 768"));
  EXPECT_THAT(what, HasSubstr("(need width 1024"));
  EXPECT_THAT(message_of([] { spec_of(preset("ctranspath"), preset("phikon").spec.model, "a.pth"); }, ErrorKind::Data),
              HasSubstr("(need Swin of width 96"));
}

TEST(Presets, WeightsOfAnotherKindAreNamedWithTheModelWanted) {
  const TensorMap other{{"patch_embed.proj.weight", at::zeros({26, 3, 7, 7})}};
  const std::string what = message_of([&] { convert_preset(preset("uni"), other, import_target_of(preset("uni")), "some.pth"); }, ErrorKind::Data);
  EXPECT_THAT(what, HasSubstr("some.pth does not hold uni (width 1024, depth 24"));
}

}  // namespace
}  // namespace eosin::nn
