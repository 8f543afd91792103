#include "core/base/error.h"
#include "data/slide_scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SlideInfo with(std::map<std::string, std::string> properties) {
  SlideInfo info;
  info.path = "s.tiff";
  info.properties = std::move(properties);
  return info;
}

TEST(SlideScale, SourcesInOrder) {
  SlideInfo info = with({{"aperio.MPP", "0.3"}, {"tiff.XResolution", "25000"}, {"tiff.YResolution", "25000"}, {"tiff.ResolutionUnit", "centimeter"}});
  info.mpp_x = info.mpp_y = 0.25;
  info.objective = 40;
  EXPECT_EQ(resolve_scale(info, 0.2, 0.9).source, "csv");
  EXPECT_EQ(resolve_scale(info, {}, 0.9).source, "openslide.mpp");
  info.mpp_x = info.mpp_y = std::nullopt;
  EXPECT_EQ(resolve_scale(info).source, "aperio.MPP");
  info.properties.erase("aperio.MPP");
  EXPECT_EQ(resolve_scale(info).source, "tiff.XResolution");
  EXPECT_DOUBLE_EQ(resolve_scale(info).mpp, 0.4);
  info.properties.clear();
  EXPECT_EQ(resolve_scale(info).source, "objective");
  EXPECT_DOUBLE_EQ(resolve_scale(info).mpp, 0.25);
  info.objective = std::nullopt;
  EXPECT_EQ(resolve_scale(info, {}, 0.9).source, "assume_mpp");
}

TEST(SlideScale, UnitsOfOmeAndTiff) {
  const auto ome = [](const std::string& unit) {
    return resolve_scale(with({{"openslide.comment", "<OME><Pixels PhysicalSizeX=\"250\" PhysicalSizeXUnit=\"" + unit + "\" SizeX=\"9\"/></OME>"}}),
                         {}, 1.5);
  };
  EXPECT_DOUBLE_EQ(ome("nm").mpp, 0.25);
  EXPECT_EQ(ome("nm").source, "ome.PhysicalSizeX");
  EXPECT_EQ(ome("pixel").source, "assume_mpp");
  EXPECT_DOUBLE_EQ(resolve_scale(with({{"tiff.ImageDescription", "<PixelSizeMicrons>0.46</PixelSizeMicrons>"}})).mpp, 0.46);
  EXPECT_DOUBLE_EQ(resolve_scale(with({{"tiff.XResolution", "50800"}, {"tiff.YResolution", "50800"}, {"tiff.ResolutionUnit", "inch"}})).mpp, 0.5);
}

TEST(SlideScale, PlaceholdersAreSkipped) {
  EXPECT_FALSE(plausible_mpp("1000"));
  EXPECT_FALSE(plausible_mpp("0"));
  EXPECT_FALSE(plausible_mpp("-0.25"));
  EXPECT_FALSE(plausible_mpp("nan"));
  EXPECT_FALSE(plausible_mpp("0.25 um"));
  EXPECT_EQ(plausible_mpp("0.25"), 0.25);
  const SlideInfo screen = with({{"tiff.XResolution", "72"}, {"tiff.YResolution", "72"}, {"tiff.ResolutionUnit", "inch"}, {"aperio.MPP", "0"}});
  EXPECT_EQ(resolve_scale(screen, {}, 0.5).source, "assume_mpp");
}

TEST(SlideScale, UnknownIsRefusedWithWhatToDo) {
  try {
    resolve_scale(with({}));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data);
    EXPECT_THAT(e.what(), HasSubstr("openslide.mpp-x"));
    EXPECT_THAT(e.what(), HasSubstr("column mpp"));
    EXPECT_THAT(e.what(), HasSubstr("assume_mpp"));
  }
}

TEST(SlideScale, WarnsOfWhatIsOdd) {
  SlideInfo info = with({});
  info.mpp_x = 0.25;
  info.mpp_y = 0.26;
  EXPECT_THAT(resolve_scale(info).warnings, ElementsAre(HasSubstr("differs by axis")));
  EXPECT_DOUBLE_EQ(resolve_scale(info).mpp, 0.255);
  info.mpp_y = 0.25;
  info.objective = 20;
  EXPECT_THAT(resolve_scale(info).warnings, ElementsAre(HasSubstr("20x objective disagree")));
  info.objective = 40;
  EXPECT_TRUE(resolve_scale(info).warnings.empty());
  EXPECT_THAT(resolve_scale(info, 4.0).warnings, ElementsAre(HasSubstr("unusual"), HasSubstr("disagree")));
}

}  // namespace
}  // namespace eosin::data
