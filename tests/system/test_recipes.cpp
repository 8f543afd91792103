// Every recipe of configs/recipes at toy size with the real binary: a few steps, and features of the encoder that they leave.
#include "tests/checkout.h"
#include "tests/system/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace eosin::system_test {
namespace {

const fs::path kRecipes = fs::path(source_dir()) / "configs/recipes";

/// Some go on from another's run, or learn from it.
const std::map<std::string, std::string> kStageBefore = {
    {"uni_highres", "uni"}, {"dinov3_gram", "dinov3"}, {"dinov3_highres", "dinov3_gram"}, {"gpfm", "uni"}, {"h0_mini", "virchow2"}};

std::vector<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".yaml") names.insert(entry.path().stem());
  return {names.begin(), names.end()};
}

/// 48 real tiles of different slides; without them, tiles of a drawn cohort.
void make_store(const std::string& store, const TemporaryFolder& folder, bool real) {
  if (!real) {
    ASSERT_EQ(eosin({"demo", folder / "cohort", "slides=2", "--json", "--quiet"}).code, 0);
    const Outcome o = eosin({"tile", "slides=" + (folder / "cohort/cohort.csv"), "store=" + store, "tile.size_px=256", "tile.mpp=0.5", "--quiet"});
    ASSERT_EQ(o.code, 0) << o.err;
    return;
  }
  const std::string atlas = test_data("patches-atlas");
  std::istringstream rows(read_text(atlas + "/manifest.csv"));
  std::string line, some;
  for (int64_t row = 0; std::getline(rows, line); ++row)
    if (row % 47 == 0) some += line + "\n";  // the head is row 0
  write_text(folder / "some.csv", some);
  const Outcome o = eosin({"store", "import", folder / "some.csv", "images=" + atlas + "/images", "columns.label=organ", "columns.x=x_20x",
                           "columns.y=y_20x", "out=" + store, "--quiet"});
  ASSERT_EQ(o.code, 0) << o.err;
}

class Recipe : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { folder_ = new TemporaryFolder; }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  static std::string smoke(const std::string& name) { return (kRecipes / "smoke" / (name + ".yaml")).string(); }

  /// Runs it once, after the stages that it needs.
  static void run(const std::string& name, bool real) {
    const std::string store = *folder_ / (real ? "real" : "drawn");
    if (!fs::exists(store)) make_store(store, *folder_, real);
    if (const auto before = kStageBefore.find(name); before != kStageBefore.end() && !fs::exists(*folder_ / ("runs/smoke/" + before->second)))
      run(before->second, real);
    const Outcome o = eosin({"pretrain", smoke(name), "data.store=" + store, "--json", "--quiet"}, *folder_ / "");
    ASSERT_EQ(o.code, 0) << name << "\n" << o.err;
    EXPECT_EQ(o.json()["step"], 4);
  }
  static void expect_learns_and_embeds(const std::string& name, bool real) {
    run(name, real);
    if (HasFatalFailure()) return;
    const std::string folder = *folder_ / ("runs/smoke/" + name);
    std::set<double> losses;
    std::istringstream rows(read_text(folder + "/metrics.jsonl"));
    for (std::string line; std::getline(rows, line);) {
      const auto row = nlohmann::json::parse(line);
      if (!row.contains("loss")) continue;
      ASSERT_TRUE(row["loss"].is_number() && std::isfinite(row["loss"].get<double>())) << line;
      losses.insert(row["loss"].get<double>());
    }
    EXPECT_EQ(losses.size(), 4u);
    const std::string features = *folder_ / ("features/" + name);
    const Outcome o = eosin({"embed", "store=" + *folder_ / (real ? "real" : "drawn"), "encoder=" + folder, "out=" + features, "--json", "--quiet"});
    ASSERT_EQ(o.code, 0) << o.err;
    EXPECT_GT(o.json()["tiles"], 8);
    EXPECT_EQ(o.json()["dim"], 192);
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* Recipe::folder_ = nullptr;

class SlowRecipe : public Recipe {};

TEST_P(Recipe, RunsOnDrawnTiles) { expect_learns_and_embeds(GetParam(), false); }
INSTANTIATE_TEST_SUITE_P(Some, Recipe, testing::Values("google_simclr", "phikon", "thorax_mae"));

TEST_P(SlowRecipe, RunsOnRealTiles) {
  if (test_data("patches-atlas").empty()) GTEST_SKIP() << "no patches-atlas: set EOSIN_TEST_DATA";
  expect_learns_and_embeds(GetParam(), true);
}
INSTANTIATE_TEST_SUITE_P(All, SlowRecipe, testing::ValuesIn(names_in(kRecipes)), [](const auto& info) { return info.param; });

TEST(Recipes, EachHasASmokeFileThatIsItAtToySize) {
  for (const std::string& name : names_in(kRecipes)) {
    const std::string text = read_text((kRecipes / "smoke" / (name + ".yaml")).string());
    EXPECT_THAT(text, testing::HasSubstr("extends: [../" + name + ".yaml, tiny.yaml")) << name;
    EXPECT_THAT(text, testing::HasSubstr("runs/smoke/" + name + "}")) << name;
  }
}

}  // namespace
}  // namespace eosin::system_test
