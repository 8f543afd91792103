#include "core/base/error.h"
#include "core/nn/presets.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

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
