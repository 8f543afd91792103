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
    EXPECT_NO_THROW(row.spec.vit().check()) << row.name;
    EXPECT_THAT(row.one_line, HasSubstr(std::to_string(row.spec.vit().feature_dim()))) << row.name;
    EXPECT_EQ(row.spec.mean.size(), 3u);
    EXPECT_EQ(spec_of(row, row.spec.vit(), "here").mean, row.spec.mean);
  }
  EXPECT_EQ(preset("virchow2").spec.vit().feature_dim(), 2560);
  EXPECT_EQ(preset("midnight").spec.vit().grid().count(), 37 * 37);
  EXPECT_EQ(preset("midnight").spec.shown_size(), (std::vector<int64_t>{224, 224}));
  EXPECT_THAT(message_of([] { preset("uni_2h"); }, ErrorKind::Config), HasSubstr("did you mean 'uni2_h'?"));
}

TEST(Presets, AnotherArchitectureIsNamedWithBoth) {
  const std::string what = message_of([] { spec_of(preset("uni"), preset("phikon").spec.vit(), "phikon.bin"); }, ErrorKind::Data);
  EXPECT_THAT(what, HasSubstr("phikon.bin does not hold uni: width 768"));
  EXPECT_THAT(what, HasSubstr("(need width 1024"));
}

TEST(Presets, WeightsOfAnotherKindAreNamedWithTheModelWanted) {
  const TensorMap other{{"patch_embed.proj.weight", at::zeros({26, 3, 7, 7})}};
  const std::string what = message_of([&] { convert_preset(preset("uni"), other, import_target_of(preset("uni")), "some.pth"); }, ErrorKind::Data);
  EXPECT_THAT(what, HasSubstr("some.pth does not hold uni (width 1024, depth 24"));
}

}  // namespace
}  // namespace eosin::nn
