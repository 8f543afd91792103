#include "core/base/csv.h"
#include "core/tensor/hdf5.h"
#include "data/bag_store.h"
#include "data/cohort.h"
#include "data/feature_store.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace eosin::data {
namespace {

Cohort read(const std::string& text, CohortOptions options = {}) { return read_cohort(CsvTable::parse(text, "c.csv"), options); }
std::string refused(const std::string& text, CohortOptions options = {}) {
  return message_of([&] { read(text, options); }, ErrorKind::Data);
}
CohortOptions survival() {
  CohortOptions o;
  o.outcome = Outcome::Survival;
  return o;
}
CohortOptions by_patient() {
  CohortOptions o;
  o.level = BagLevel::Patient;
  return o;
}

TEST(Cohort, TakesTheColumnsOfClamAndOfTrident) {
  const Cohort c = read("case_id,slide_id,label\nTCGA-A2-1,s1,LUSC\nTCGA-B6-1,s2,LUAD\n");
  EXPECT_EQ(c.classes, (std::vector<std::string>{"LUAD", "LUSC"}));
  EXPECT_EQ(c.labels(), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(c.bags[0].patient, "TCGA-A2-1");
  EXPECT_TRUE(c.has_sites);
  EXPECT_EQ(c.bags[1].site, "B6");
  EXPECT_TRUE(c.notes.empty());
}

TEST(Cohort, WithoutPatientsEverySlideIsOneAndANoteSaysSo) {
  const Cohort c = read("slide,label\na,0\nb,1\n");
  EXPECT_FALSE(c.has_patients);
  EXPECT_EQ(c.bags[0].patient, "a");
  ASSERT_EQ(c.notes.size(), 1U);
}

TEST(Cohort, JoinsTheSlidesOfAPatientAndRefusesThemWhenTheyDisagree) {
  const Cohort c = read("slide,patient,label\na,p,0\nb,q,1\nc,p,0\n", by_patient());
  ASSERT_EQ(c.bags.size(), 2U);
  EXPECT_EQ(c.bags[0].slides, (std::vector<std::string>{"a", "c"}));
  const auto message = refused("slide,patient,label\na,p,0\nb,q,1\nc,p,1\n", by_patient());
  EXPECT_NE(message.find("c.csv:2 and c.csv:4 'p'"), std::string::npos) << message;
  EXPECT_EQ(read("slide,patient,label\na,p,0\nb,q,1\nc,p,1\n").notes.size(), 1U);  // slides of a patient may differ, which is said
}

TEST(Cohort, CensoredIsTheOppositeOfEvent) {
  EXPECT_EQ(read("slide,time,event\na,3.5,1\nb,2,0\n", survival()).bags[0].event, 1);
  EXPECT_EQ(read("slide,time,censorship\na,3.5,1\nb,2,0\n", survival()).bags[0].event, 0);
}

TEST(Cohort, NamesEveryWrongRow) {
  EXPECT_NE(refused("slide,label\na,\nb,1\n").find("c.csv:2"), std::string::npos);
  CohortOptions two;
  two.classes = {"0", "1"};
  EXPECT_NE(refused("slide,label\na,0\nb,1\nc,2\n", two).find("c.csv:4 '2'"), std::string::npos);
  EXPECT_NE(refused("slide,label\na,0\na,1\n").find("twice"), std::string::npos);
  EXPECT_NE(refused("slide,label\na,0\nb,0\n").find("single class"), std::string::npos);
  EXPECT_NE(refused("slide,label\n,0\nb,1\n").find("without a name"), std::string::npos);
  EXPECT_NE(refused("slide,time,event\na,0,1\nb,-2,0\nc,x,1\n", survival()).find("c.csv:2 '0', c.csv:3 '-2', c.csv:4 'x'"), std::string::npos);
  EXPECT_NE(refused("slide,time,event\na,1,2\n", survival()).find("0 or 1"), std::string::npos);
  EXPECT_NE(refused("slide,time,event\na,1,0\nb,2,0\n", survival()).find("censored"), std::string::npos);
  EXPECT_NE(refused("slide,klass\na,0\n").find("target"), std::string::npos);
  CohortOptions clinical;
  clinical.columns.clinical = {"age"};
  EXPECT_NE(refused("slide,label,age\na,0,old\nb,1,3\n", clinical).find("'old'"), std::string::npos);
}

TEST(Cohort, TakesSeveralTargetsOfWhichSomeAreUnknown) {
  CohortOptions o;
  o.outcome = Outcome::Numbers, o.targets = {"er", "ki67"};
  const Cohort c = read("slide,patient,er,ki67\na,p,0.5,\nb,q,NA,12\nc,r,,nan\nd,s,1e3,-2\n", o);
  ASSERT_EQ(c.bags.size(), 3U);
  EXPECT_EQ(c.targets, o.targets);
  EXPECT_EQ(c.bags[0].targets[0], 0.5);
  EXPECT_TRUE(std::isnan(c.bags[0].targets[1]));
  EXPECT_EQ(c.bags[2].targets, (std::vector<double>{1000, -2}));
  EXPECT_EQ(c.notes, (std::vector<std::string>{"1 slides of which no target is known are left out"}));
  EXPECT_NE(refused("slide,er,ki67\na,0.5,high\nb,1,2\n", o).find("c.csv:2 'high'"), std::string::npos);
  EXPECT_NE(refused("slide,er\na,0.5\n", o).find("ki67"), std::string::npos);
  EXPECT_NE(refused("slide,er,ki67\na,,\nb,,\n", o).find("none of the 2 slides"), std::string::npos);
  o.outcome = Outcome::Flags;
  EXPECT_NE(refused("slide,er,ki67\na,1,0\nb,2,0\n", o).find("c.csv:3 '2'"), std::string::npos);
  o.level = BagLevel::Patient;  // unknown on both slides is no disagreement
  EXPECT_EQ(read("slide,patient,er,ki67\na,p,1,\nb,p,1,\n", o).bags[0].slides.size(), 2U);
  EXPECT_NE(refused("slide,patient,er,ki67\na,p,1,\nb,p,1,0\n", o).find("'p'"), std::string::npos);
}

// ----------------------------------------------------------------------------------------------- bags
void write(const TemporaryFolder& folder, const std::string& slide, const Tensor& x_ND, const std::string& encoder = "vit", bool coords = true) {
  SlideFeatures f;
  f.meta.name = slide, f.meta.encoder = encoder, f.meta.patch_size_level0 = 256;
  f.features_ND = x_ND;
  const Tensor n = at::arange(x_ND.size(0), at::kLong);
  f.coords_N2 = at::stack({n, n}, 1) * (coords ? 256 : 0);
  write_features(folder / (slide + ".h5"), f);
}

Cohort two_patients() { return read("slide,patient,label\na,p,0\nb.svs,q,1\n17.0,p,0\n", by_patient()); }

TEST(BagStore, LaysThePatientsSlidesSideBySide) {
  const TemporaryFolder folder;
  write(folder, "a", at::full({3, 5}, 1.0f));
  write(folder, "b", at::full({2, 5}, 2.0f));
  write(folder, "17", at::full({4, 5}, 3.0f));
  const auto bags = open_feature_bags(folder.path().string(), two_patients());
  const BagBatch p = bags->read(0);
  EXPECT_EQ(p.offsets, (std::vector<int64_t>{0, 7}));
  EXPECT_EQ(p.features_ND.select(1, 0).sum().item<float>(), 15);
  EXPECT_EQ(p.fragment_N.sum().item<int64_t>(), 4);
  EXPECT_GT(p.coords_N2[3][0].item<int64_t>(), p.coords_N2[2][0].item<int64_t>() + 256);
  EXPECT_EQ(p.tile_size_px, (std::vector<double>{256}));
  EXPECT_FALSE(bags->read(1).fragment_N.defined());
}

TEST(BagStore, NamesSlidesWithoutFeaturesEmptyOnesAndThoseOfAnotherEncoder) {
  const TemporaryFolder folder;
  write(folder, "a", at::ones({3, 5}));
  EXPECT_NE(message_of([&] { open_feature_bags(folder.path().string(), two_patients()); }, ErrorKind::Data).find("17.0, b.svs"), std::string::npos);
  write(folder, "b", at::ones({0, 5}));
  write(folder, "17", at::ones({4, 5}));
  const auto store = [&](bool skip) {
    BagStore::Options o;
    o.skip_empty = skip;
    return BagStore(open_feature_bags(folder.path().string(), two_patients()), o);
  };
  EXPECT_NE(message_of([&] { store(false); }, ErrorKind::Data).find("q"), std::string::npos);
  EXPECT_EQ(store(true).kept(), (std::vector<int64_t>{0}));
  write(folder, "b", at::ones({2, 7}));
  const auto width = message_of([&] { store(false); }, ErrorKind::Shape);
  EXPECT_NE(width.find("width 7"), std::string::npos) << width;
  write(folder, "b", at::ones({2, 5}), "resnet");
  EXPECT_NE(message_of([&] { store(false); }, ErrorKind::Data).find("resnet"), std::string::npos);
}

TEST(BagStore, LeavesOutTilesThatAreNotFiniteAndCountsThem) {
  const TemporaryFolder folder;
  const auto put = [&](const std::string& slide, const std::vector<float>& features) {
    h5::File f = h5::File::create(folder / (slide + ".h5"));
    f.write<float>("features", features, {features.size() / 2, 2});
    std::vector<int32_t> places(features.size());
    std::iota(places.begin(), places.end(), 0);
    f.write<int32_t>("coords", places, {features.size() / 2, 2});
    f.close();
  };
  put("a", {1, NAN, 3, 4, INFINITY, 6, 7, 8}), put("17", {1, 2}), put("b", {5, 6});
  const auto store = [&](NonFinite non_finite) { return BagStore(open_feature_bags(folder.path().string(), two_patients(), non_finite), {}); };
  EXPECT_NE(message_of([&] { store(NonFinite::Refuse); }, ErrorKind::Data).find("row 0"), std::string::npos);
  const BagStore bags = store(NonFinite::DropRow);
  EXPECT_EQ(bags.dropped(), (std::map<std::string, int64_t>{{"a", 2}}));
  EXPECT_EQ(bags.summaries()[0].rows, 3);
  EXPECT_EQ(bags.bag(0).coords_N2[0][0].item<int64_t>(), 2);
  EXPECT_EQ(bags.slides(0)[0].rows, 2);  // as heat maps count them
  put("b", {NAN, 6, 7, NAN});
  const auto message = message_of([&] { store(NonFinite::DropRow); }, ErrorKind::Data);
  EXPECT_NE(message.find("b.h5"), std::string::npos) << message;
  EXPECT_NE(message.find("every one of the 2 tiles"), std::string::npos) << message;
}

TEST(BagStore, HandsOutTheSameBagsFromMemoryAndFromDisk) {
  const TemporaryFolder folder;
  std::string table = "slide,label\n";
  for (int i = 0; i < 7; ++i) {
    write(folder, "s" + std::to_string(i), at::randn({3 + i, 5}), "vit", false);
    table += "s" + std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  }
  const Cohort cohort = read(table);
  const std::vector<int64_t> order = {6, 0, 3, 1, 5, 2, 4};
  std::vector<std::vector<Tensor>> seen;
  std::vector<size_t> stretches;
  for (const int64_t bytes : {int64_t{1} << 20, int64_t{400}}) {
    BagStore::Options o;
    o.memory_bytes = bytes;
    const BagStore store(open_feature_bags(folder.path().string(), cohort), o);
    EXPECT_EQ(store.resident(), bytes > 400);
    auto& bags = seen.emplace_back();
    stretches.push_back(0);
    store.walk(order, [&](size_t first, std::span<const BagBatch> part) {
      EXPECT_EQ(first, bags.size());
      ++stretches.back();
      for (const BagBatch& b : part) {
        EXPECT_FALSE(b.coords_N2.defined());
        bags.push_back(b.features_ND);
      }
    });
  }
  EXPECT_EQ(stretches[0], 1U);
  EXPECT_GT(stretches[1], 2U);
  ASSERT_EQ(seen[0].size(), order.size());
  for (size_t i = 0; i < order.size(); ++i) EXPECT_TRUE(seen[0][i].equal(seen[1][i])) << i;
}

TEST(BagStore, ScalesByTheTilesOfTheBagsThatItWasFittedOn) {
  std::vector<BagSummary> summaries;
  std::vector<Tensor> bags = {at::randn({3, 4}), at::randn({8, 4}) + 3, at::randn({5, 4}) * 2};
  for (Tensor& x : bags) {
    x.select(1, 2).fill_(7);
    const Tensor d = x.to(at::kDouble);
    summaries.push_back({x.size(0), 0, d.mean(0), (d - d.mean(0)).square().sum(0)});
  }
  const FeatureScale scale = fit_scale(summaries, {0, 2});
  const Tensor z = scale.apply(at::cat({bags[0], bags[2]}));
  EXPECT_TRUE(at::allclose(z.mean(0), at::zeros({4}), 0, 1e-5));
  EXPECT_TRUE(at::allclose(z.std(0, false), at::tensor({1.0f, 1.0f, 0.0f, 1.0f}), 0, 1e-5));
}

}  // namespace
}  // namespace eosin::data
