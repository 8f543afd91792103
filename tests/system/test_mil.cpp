// From slides to patients with the real binary: cohort, tiles, features, heads beside baselines; killed, leaking, and wrong in every way that users
// are.
#include "core/tensor/hdf5.h"
#include "tests/system/program.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace eosin::system_test {
namespace {

using testing::HasSubstr;

class SlideLevel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    const std::string cohort = *folder_ / "cohort/cohort.csv";
    eosin({"demo", *folder_ / "cohort", "slides=16", "width_px=1024", "height_px=1024", "--quiet"});
    eosin({"tile", "slides=" + cohort, "store=" + in("tiles"), "tile.size_px=96", "tile.mpp=1.0", "--quiet"});
    embed_ = eosin({"embed", "store=" + in("tiles"), "encoder=color_statistics", "out=" + in("features"), "--quiet"});
    write_text(in("cohort.csv"), read_text(cohort));
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string in(const std::string& name) { return *folder_ / name; }

  /// A short job on the cohort; later words win.
  static std::vector<std::string> job(const std::string& run, const std::vector<std::string>& more = {}) {
    std::map<std::string, std::string> keys = {{"cohort", in("cohort.csv")},
                                               {"features", in("features")},
                                               {"run.dir", in(run)},
                                               {"splits", "3fold"},
                                               {"train.epochs", "3"},
                                               {"head.embed_dims", "[8]"},
                                               {"head.attention_dim", "4"},
                                               {"baselines", "[simlp,linear,knn]"},
                                               {"bootstrap", "20"},
                                               {"level", "patient"},
                                               {"heatmaps.count", "0"},
                                               {"heatmaps.top_tiles", "0"},
                                               {"run.seed", "3"}};
    std::vector<std::string> words = {"mil"};
    for (const auto& word : more)
      if (const auto equals = word.find('='); equals != std::string::npos && word[0] != '-')
        keys[word.substr(0, equals)] = word.substr(equals + 1);
      else
        words.push_back(word);
    for (const auto& [key, value] : keys) words.push_back(key + "=" + value);
    words.insert(words.end(), {"--json", "--quiet"});
    return words;
  }
  /// The same of a head that has no such layers.
  static std::vector<std::string> job_of(const std::string& head, const std::string& run, const std::vector<std::string>& more = {}) {
    auto words = job(run, more);
    std::erase_if(words, [](const std::string& w) { return w.starts_with("head.embed") || w.starts_with("head.att"); });
    words.insert(words.begin() + 1, "head.name=" + head);
    return words;
  }
  /// The cohort with one text in place of another.
  static std::string changed(const std::string& name, const std::string& from, const std::string& to) {
    std::string text = read_text(in("cohort.csv"));
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    write_text(in(name), text.replace(at, from.size(), to));
    return "cohort=" + in(name);
  }
  static void expect_refused(const std::vector<std::string>& words, int code, const std::string& says) {
    const Outcome o = eosin(words);
    EXPECT_EQ(o.code, code) << o.err;
    EXPECT_THAT(o.last_error_line(), HasSubstr(says));
  }

  static TemporaryFolder* folder_;
  static Outcome embed_;
};
TemporaryFolder* SlideLevel::folder_ = nullptr;
Outcome SlideLevel::embed_;

TEST_F(SlideLevel, PredictsEveryPatientOnceBesideBaselinesUnderBothProtocols) {
  ASSERT_EQ(embed_.code, 0) << embed_.err;
  const Outcome o = eosin(job("both", {"protocol=mhim_c16", "grid.lr=[1e-3,1e-2]", "save_weights=true"}));
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.json()["models"], 2 * 2 * 3 * 2);  // heads, protocols, splits, rates
  for (const char* name : {"config.yaml", "models.jsonl", "predictions.csv", "results.json", "report.html"})
    EXPECT_TRUE(fs::exists(in("both") + "/" + name)) << name;
  const auto results = nlohmann::json::parse(read_text(in("both/results.json")));
  EXPECT_EQ(results["models"].size(), 2U * 2 + 2);
  EXPECT_EQ(results["comparisons"].size(), 3U);
  EXPECT_EQ(results["protocol"]["paper"]["name"], "mhim_c16");
  EXPECT_EQ(results["protocol"]["kind"], "honest");
  EXPECT_EQ(results["metrics"][0]["folds"].size(), 3U);
  const std::string table = read_text(in("both/predictions.csv"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 1 + 12 * 6);
  EXPECT_THAT(read_text(in("both/report.html")), HasSubstr("Models side by side"));
  EXPECT_EQ(std::distance(fs::directory_iterator(in("both/models")), fs::directory_iterator()), 24);
}

TEST_F(SlideLevel, ShowsWhereUnseenSlidesAreLookedAt) {
  const std::vector<std::string> keys = {"heatmaps.count=3", "heatmaps.top_tiles=2", "heatmaps.files=[" + in("cohort/slides") + "]",
                                         "heatmaps.masks=" + in("cohort/masks/{slide}_tumour.png"), "heatmaps.class=tumour"};
  const Outcome o = eosin(job("looks", keys));
  ASSERT_EQ(o.code, 0) << o.err;
  const auto results = nlohmann::json::parse(read_text(in("looks/results.json")));
  ASSERT_GE(results["heatmaps"].size(), 3U);  // a patient has one or two slides
  for (const auto& map : results["heatmaps"]) {
    EXPECT_EQ(map["ground"], "slide");
    EXPECT_EQ(read_text(in("looks/") + map["png"].get<std::string>()).substr(1, 3), "PNG");
    const auto tiles = nlohmann::json::parse(read_text(in("looks/") + map["geojson"].get<std::string>()))["features"];
    ASSERT_EQ(tiles.size(), map["tiles"]);
    double most = 0, weight = 0;
    for (const auto& tile : tiles) {
      most = std::max(most, tile["properties"]["measurements"]["percentile"].get<double>());
      weight += tile["properties"]["measurements"]["attention"].get<double>();
    }
    EXPECT_GT(most, 0.5);
    EXPECT_LE(most, 1);
    EXPECT_LT(weight, 1 + 1e-6);  // over the patient's slides it is 1
  }
  const auto& found = results["localization"];
  EXPECT_EQ(found["masks"], 8);
  EXPECT_EQ(found["by_slide"].size(), found["slides"]);
  for (const auto& slide : found["by_slide"]) EXPECT_EQ(slide["target"], "tumour");
  EXPECT_EQ(o.json()["localization"]["average_precision"], found["average_precision"]);
  const std::string top = read_text(in("looks/top_tiles.csv"));
  EXPECT_EQ(std::count(top.begin(), top.end(), '\n'), 1 + 2 * 4 * 2);  // two classes, four bags, two tiles
  for (const char* picture : {"top-tiles-tumour.jpg", "top-tiles-normal.jpg", "captions.json"})
    EXPECT_TRUE(fs::exists(in("looks/pictures/") + picture)) << picture;
  const std::string card = read_text(in("looks/model_card.md")), report = read_text(in("looks/report.html"));
  for (const char* text : {"SHA-256 of the cohort's file", "balanced\\_accuracy", "Where it looks", "eosin run config.yaml"})
    EXPECT_THAT(card, HasSubstr(text));
  for (const char* text : {"Known regions", "Highest tiles", "Precision and recall", "Reliability", "Model card", "data:image/jpeg"})
    EXPECT_THAT(report, HasSubstr(text));

  // Other slides, of a class's own attention, without pixels: from the models that are there.
  const std::string before = read_text(in("looks/models.jsonl"));
  const Outcome more = eosin(job("looks", {"heatmaps.slides=[slide_003]", "heatmaps.top_tiles=0"}));
  ASSERT_EQ(more.code, 0) << more.err;
  EXPECT_EQ(read_text(in("looks/models.jsonl")), before);
  const auto again = nlohmann::json::parse(read_text(in("looks/results.json")));
  ASSERT_EQ(again["heatmaps"].size(), 1U);
  EXPECT_EQ(again["heatmaps"][0]["slide"], "slide_003");
  EXPECT_EQ(again["heatmaps"][0]["ground"], "none");
  EXPECT_FALSE(again.contains("localization"));
  EXPECT_EQ(again["metrics"], results["metrics"]);
  // Weights that are gone are trained again, to the same table.
  fs::remove_all(in("looks/models"));
  ASSERT_EQ(eosin(job("looks", {"heatmaps.slides=[slide_003]", "heatmaps.top_tiles=0"})).code, 0);
  EXPECT_EQ(nlohmann::json::parse(read_text(in("looks/results.json"))), again);

  expect_refused(job("w", {"heatmaps.class=tumor"}), 2, "tumor");
  expect_refused(job("w", {"heatmaps.slides=[slide_03]"}), 2, "did you mean 'slide_0");
  expect_refused(job("w", {"heatmaps.masks=masks/x.png"}), 2, "{slide}");
  expect_refused(job("w", {"heatmaps.masks=nowhere/{slide}.png"}), 2, "no slide of the cohort");
}

TEST_F(SlideLevel, SaysSoWhereAHeadSaysNothingOfTiles) {
  const Outcome o = eosin(job_of("simlp", "simlp", {"baselines=[]", "heatmaps.count=1"}));
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.json()["heatmaps"], 0);
  EXPECT_THAT(read_text(in("simlp/results.json")), HasSubstr("says nothing of single tiles"));
}

TEST_F(SlideLevel, AsksWhatPlacesTell) {
  const std::vector<std::string> small = {"head.dim=8", "head.heads=2", "head.num_landmarks=3", "head.residual_conv_kernel=3", "heatmaps.count=1"};
  auto with = small;
  with.push_back("baselines=[shuffled_coords]");
  const Outcome o = eosin(job_of("transmil", "places", with));
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.json()["models"], 6);
  const auto results = nlohmann::json::parse(read_text(in("places/results.json")));
  EXPECT_EQ(results["models"][1]["name"], "transmil with shuffled coordinates");
  EXPECT_EQ(results["models"][1]["kind"], "baseline");
  EXPECT_EQ(results["comparisons"].size(), 1U);
  const std::string table = read_text(in("places/predictions.csv"));
  const auto end_of_first = table.find("transmil with");
  std::string first = table.substr(0, end_of_first), second = table.substr(end_of_first);
  EXPECT_EQ(std::count(second.begin(), second.end(), '\n'), 12);
  EXPECT_EQ(second.find(first.substr(first.rfind(',', first.size() - 2))), std::string::npos);  // the last probability is another
  // Without it the models are the same, and the report says what is missing.
  auto without = small;
  without.push_back("baselines=[]");
  ASSERT_EQ(eosin(job_of("transmil", "no_places", without)).code, 0);
  EXPECT_EQ(read_text(in("no_places/predictions.csv")), first);
  EXPECT_THAT(read_text(in("no_places/results.json")), HasSubstr("shuffled_coords"));
  expect_refused(job("w", {"baselines=[shuffled_coords]"}), 2, "abmil uses neither coordinates nor the order");
}

TEST_F(SlideLevel, LeavesOutTilesThatAreNotFinite) {
  fs::copy(in("features"), in("spoilt"), fs::copy_options::recursive);
  fs::remove(in("spoilt/copy.h5"));
  const auto spoil = [&](const std::string& slide, int64_t rows) {
    const h5::File whole = h5::File::open(in("features/") + slide + ".h5");
    const auto shape = whole.info("features").shape;
    std::vector<float> values(shape[0] * shape[1]);
    whole.read_into("features", h5::Type::kF32, values.data(), values.size() * sizeof(float));
    for (uint64_t i = 0; i < (rows < 0 ? shape[0] : static_cast<uint64_t>(rows)); ++i) values[i * shape[1]] = NAN;
    h5::File file = h5::File::create(in("spoilt/") + slide + ".h5");
    file.write<float>("features", values, {shape[0], shape[1]});
    for (const char* name : {"encoder", "weights_sha256", "transform"})
      file.set_text("features", name, whole.text("features", name).value_or(""), true);
    file.close();
  };
  spoil("slide_003", 2), spoil("slide_005", 1);
  const std::string features = "features=" + in("spoilt");
  expect_refused(job("w", {features}), 3, "slide_003.h5] features: 2 of");
  const Outcome o = eosin(job("spoilt_run", {features, "nonfinite=drop_tile", "baselines=[]"}));
  ASSERT_EQ(o.code, 0) << o.err;
  const auto results = nlohmann::json::parse(read_text(in("spoilt_run/results.json")));
  EXPECT_EQ(results["data"]["dropped_tiles"], (nlohmann::json{{"slide_003", 2}, {"slide_005", 1}}));
  EXPECT_THAT(results["notes"].dump(),
              HasSubstr("3 tiles of 2 slides have features that are not finite and are left out: slide_003 (2), slide_005 (1)"));
  spoil("slide_005", -1);
  expect_refused(job("w", {features, "nonfinite=drop_tile"}), 3, "slide_005.h5] every one of");
}

TEST_F(SlideLevel, DrawsSplitsAndBagsAsClamDoes) {
  const std::vector<std::string> clam = {"protocol=clam_mc10", "splits=10x80/10/10", "baselines=[]", "train.epochs=1", "level=patient"};
  const Outcome o = eosin(job("clam", clam));
  ASSERT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.json()["models"], 20);
  const auto results = nlohmann::json::parse(read_text(in("clam/results.json")));
  EXPECT_EQ(results["protocol"]["paper"]["name"], "clam_mc10");
  EXPECT_EQ(results["models"][1]["folds"], 10);
  EXPECT_EQ(results["protocol"]["sampling"], "natural");
  expect_refused(job("w", {"protocol=clam_mc10"}), 2, "10x80/10/10");

  const auto balanced = [&](const std::string& run, const std::string& threads) {
    const Outcome b = eosin(job(run, {"train.sampling=class_balanced", "baselines=[]", "grid.seeds=2", threads}));
    EXPECT_EQ(b.code, 0) << b.err;
    return read_text(in(run) + "/predictions.csv");
  };
  EXPECT_EQ(balanced("balanced1", "run.threads=1"), balanced("balanced2", "run.threads=2"));
  expect_refused(job("w", {"train.sampling=class_balanced", "task.name=hazards"}), 2, "is for classes");
}

TEST_F(SlideLevel, AGridThatWasKilledEndsWithTheSameTable) {
  const std::vector<std::string> more = {"grid.seeds=4",     "grid.together=2",  "train.epochs=12",
                                         "train.patience=0", "heatmaps.count=1", "heatmaps.top_tiles=1"};
  const Outcome whole = eosin(job("whole", more));
  ASSERT_EQ(whole.code, 0) << whole.err;
  const auto lines = [&] {
    const std::string text = fs::exists(in("killed/models.jsonl")) ? read_text(in("killed/models.jsonl")) : "";
    return std::count(text.begin(), text.end(), '\n');
  };
  auto saving = more;
  saving.emplace_back("grid.checkpoint_minutes=0");
  Program first(job("killed", saving));
  const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (lines() < 4 && std::chrono::steady_clock::now() < patience) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  first.signal(SIGKILL);
  first.wait();
  ASSERT_GE(lines(), 4);
  ASSERT_LT(lines(), 24) << "the run was over before it was killed";
  const Outcome again = eosin(job("killed", [&] {
    auto m = more;
    m.insert(m.end(), {"run.threads=1", "memory_gib=1e-6"});
    return m;
  }()));
  ASSERT_EQ(again.code, 0) << again.err;
  for (const char* file : {"predictions.csv", "results.json"}) EXPECT_EQ(read_text(in("killed/") + file), read_text(in("whole/") + file)) << file;
}

TEST_F(SlideLevel, RefusesSplitsThatLeakBeforeAModelIsTrained) {
  // The same slide under two names, in two patients.
  fs::copy_file(in("features/slide_000.h5"), in("features/copy.h5"), fs::copy_options::overwrite_existing);
  const std::string twice = changed("twice.csv", "slide_015,", "copy,patient_099,tumour,0,centre_A,0.5,x,train\nslide_015,");
  expect_refused(job("twice", {twice, "level=slide"}), 3, "copy");
  EXPECT_FALSE(fs::exists(in("twice/models.jsonl")));
  const Outcome accepted = eosin(job("accepted", {twice, "level=slide", "accept_leak=[as published]"}));
  EXPECT_EQ(accepted.code, 0) << accepted.err;
  EXPECT_THAT(read_text(in("accepted/report.html")), HasSubstr("as published"));

  std::string sites = read_text(in("cohort.csv"));
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"tumour,0,centre_B", "tumour,0,centre_A"},
                                 {"tumour,1,centre_B", "tumour,1,centre_A"},
                                 {"normal,0,centre_A", "normal,0,centre_B"},
                                 {"normal,1,centre_A", "normal,1,centre_B"}})
    for (size_t at = 0; (at = sites.find(from, at)) != std::string::npos;) sites.replace(at, from.size(), to);
  write_text(in("sites.csv"), sites);
  expect_refused(job("sites", {"cohort=" + in("sites.csv")}), 3, "the site tells the class");

  write_text(in("overlap.csv"), ",train,val,test\n0,slide_000,slide_003,slide_001\n1,slide_002,slide_004,slide_007\n");
  expect_refused(job("overlap", {"level=slide", "splits=" + in("overlap.csv")}), 3, "patient_000");
}

TEST_F(SlideLevel, NamesWhatIsWrong) {
  expect_refused(job("w", {changed("a.csv", "patient_000,tumour,1", "patient_000,normal,1")}), 3, "patient_000");
  expect_refused(job("w", {changed("b.csv", "slide_007,", "slide_070,")}), 3, "slide_070");
  expect_refused(job("w", {"classes=[tumour,other]"}), 3, "cohort.csv:4 'normal'");
  expect_refused(job("w", {"splits=13fold"}), 3, "too few groups");
  expect_refused(job("w", {"task.name=cox", "train.batch_size=4"}), 3, "columns.time");
  expect_refused(job("w", {"head.name=abmill"}), 2, "did you mean 'abmil'");
  expect_refused(job("w", {"splits=2fold"}), 2, "no fold to validate on");
  expect_refused(job("w", {"grid.heads=[transmill]"}), 2, "did you mean 'transmil'");
  expect_refused(job("w", {"task.name=cox"}), 2, "train.batch_size");
  expect_refused({"mil", "features=bags.mat", "level=patient"}, 2, "no patients");
  expect_refused({"mil"}, 2, "features");
  EXPECT_FALSE(fs::exists(in("w/models.jsonl")));
}

TEST_F(SlideLevel, TrainsSeveralTargetsOfWhichSomeAreUnknown) {
  // The number follows the class, which the features show; the second target is unknown of every fourth slide, and the last slide has none.
  std::string text = "slide,patient,score,second,yes,often\n";
  const std::string cohort = read_text(in("cohort.csv"));
  for (int i = 0; i < 16; ++i) {
    const std::string slide = fmt::format("slide_{:03}", i);
    const bool tumour = cohort.substr(cohort.find(slide + ","), 40).find("tumour") != std::string::npos;
    const std::string second = i % 4 == 3 || i == 15 ? "" : std::to_string(3 * i), often = i == 2 || i == 9 ? "NA" : std::to_string(i % 2);
    text += fmt::format("{},p{},{},{},{},{}\n", slide, i, i == 15 ? "" : std::to_string(100 + 10 * tumour + i % 3), second,
                        i == 15 ? "" : std::to_string(int{tumour}), often);
  }
  write_text(in("targets.csv"), text);
  const std::vector<std::string> both = {"cohort=" + in("targets.csv"), "level=slide", "heatmaps.top_tiles=1", "heatmaps.count=2"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), both.begin(), both.end());
    return more;
  };
  const Outcome o = eosin(job("numbers", with({"task.name=regression", "targets=[score,second]", "columns.clinical=[yes]"})));
  // the clinical column is empty of the last slide
  ASSERT_EQ(o.code, 3) << o.err;
  EXPECT_THAT(o.last_error_line(), HasSubstr("clinical"));
  const Outcome n = eosin(job("numbers", with({"task.name=regression", "targets=[score,second]", "task.loss=smooth_l1"})));
  ASSERT_EQ(n.code, 0) << n.err;
  auto results = nlohmann::json::parse(read_text(in("numbers/results.json")));
  EXPECT_EQ(results["data"]["known"], (nlohmann::json{{"score", 15}, {"second", 12}}));
  EXPECT_EQ(results["metrics"].size(), 4U);
  EXPECT_EQ(results["targets"].size(), 2U);
  EXPECT_EQ(results["targets"][1]["name"], "second");
  EXPECT_THAT(results["notes"].dump(), HasSubstr("second 3"));
  EXPECT_THAT(results["notes"].dump(), HasSubstr("1 slides of which no target is known"));
  EXPECT_EQ(results["models"].back()["name"], "ridge on mean features");
  EXPECT_GT(results["models"].back()["metrics"]["mae"]["mean"], 0);
  const std::string table = read_text(in("numbers/predictions.csv"));
  EXPECT_THAT(table, HasSubstr("bag,true_score,true_second,predicted_score,predicted_second"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 1 + 15 * 3);
  EXPECT_THAT(table, HasSubstr("slide_003,"));
  EXPECT_THAT(read_text(in("numbers/top_tiles.csv")), HasSubstr("\nsecond,"));
  EXPECT_THAT(read_text(in("numbers/report.html")), HasSubstr("Targets"));
  EXPECT_THAT(read_text(in("numbers/model_card.md")), HasSubstr("score 15"));

  const Outcome f = eosin(job("flags", with({"task.name=multi_label", "targets=[yes,often]", "task.imbalance=weights"})));
  ASSERT_EQ(f.code, 0) << f.err;
  results = nlohmann::json::parse(read_text(in("flags/results.json")));
  EXPECT_EQ(results["metrics"][0]["name"], "balanced_accuracy");
  EXPECT_EQ(results["targets"][0]["name"], "yes");
  EXPECT_FALSE(results.contains("scatter"));
  EXPECT_EQ(results["models"].back()["name"], "linear on mean features");
  EXPECT_GT(results["models"].back()["metrics"]["auroc_ovr_macro"]["pooled"], 0);
  EXPECT_THAT(read_text(in("flags/predictions.csv")), HasSubstr("true_yes,true_often,p_yes,p_often"));

  expect_refused(job("w", with({"task.name=regression"})), 2, "targets");
  expect_refused(job("w", with({"task.name=regression", "targets=[score]", "metrics=[auroc_ovr_macro]"})), 2, "none of the metrics is of numbers");
  expect_refused(job("w", with({"targets=[score]"})), 2, "regression and multi_label");
  expect_refused(job("w", with({"task.name=regression", "targets=[score,score]"})), 2, "twice");
  expect_refused(job("w", with({"task.name=regression", "targets=[score]", "target=yes"})), 2, "is for classes");
  expect_refused(job("w", with({"task.name=regression", "targets=[score]", "train.select=val_auroc"})), 2, "val_loss, last");
  expect_refused(job("w", with({"task.name=multi_label", "targets=[score]"})), 3, "other than 0 and 1");
  expect_refused(job("w", with({"task.name=regression", "targets=[none]"})), 3, "none");
}

TEST_F(SlideLevel, TrainsSurvivalAndCountsClinicalColumns) {
  std::string text = "slide,patient,label,time,event,age\n";
  for (int i = 0; i < 16; ++i)
    text += "slide_0" + std::string(i < 10 ? "0" : "") + std::to_string(i) + ",p" + std::to_string(i) + "," + (i % 2 ? "a" : "b") + "," +
            std::to_string(3 + (7 * i) % 16) + "," + (i % 3 ? "1" : "0") + "," + std::to_string(50 + i % 2 * 10 + i % 5) + "\n";
  write_text(in("times.csv"), text);
  for (const char* task : {"hazards", "cox"}) {
    const Outcome o = eosin(job(task, {"cohort=" + in("times.csv"), "task.name=" + std::string(task),
                                       std::string(task) == "cox" ? "train.batch_size=5" : "task.bins=2", "level=slide", "heatmaps.top_tiles=1"}));
    ASSERT_EQ(o.code, 0) << o.err;
    EXPECT_EQ(o.json()["metrics"].size(), 1U);
    EXPECT_GE(o.json()["metrics"]["c_index"]["mean"], 0);
    EXPECT_THAT(read_text(in(task) + "/predictions.csv"), HasSubstr("time,event,risk"));
    EXPECT_THAT(read_text(in(task) + "/report.html"), HasSubstr("Kaplan-Meier"));
    EXPECT_THAT(read_text(in(task) + "/top_tiles.csv"), HasSubstr("\nrisk,"));
  }
  const Outcome clinical = eosin(job("clinical", {"cohort=" + in("times.csv"), "level=slide", "columns.clinical=[age]"}));
  ASSERT_EQ(clinical.code, 0) << clinical.err;
  EXPECT_THAT(clinical.out, HasSubstr("clinical columns alone"));
}

}  // namespace
}  // namespace eosin::system_test
