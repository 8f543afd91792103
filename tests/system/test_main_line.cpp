// The main job end to end with the real binary: cohort, tiles, pretraining, features, probes, report; stopped, killed, resumed.
#include "tests/system/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace eosin::system_test {
namespace {

using testing::HasSubstr;

/// Slides and tiles are made once and shared by the tests of this file.
class MainLine : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    demo_ = eosin({"demo", *folder_ / "cohort", "slides=4", "--json", "--quiet"});
    tile_ = eosin({"tile", "slides=" + (*folder_ / "cohort/cohort.csv"), "store=" + store(), "tile.size_px=96", "tile.mpp=1.0", "--json", "--quiet"});
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string store() { return *folder_ / "tiles"; }
  static std::string in(const std::string& name) { return *folder_ / name; }
  static std::vector<std::string> pretrain(const std::string& run, const std::vector<std::string>& more = {}) {
    std::vector<std::string> a = {
        "pretrain",         "data.store=" + store(),    "model.name=vit_tiny",  "model.image_size_px=64", "model.patch_size=16",
        "method.name=dino", "method.n_prototypes=64",   "method.hidden_dim=64", "train.steps=12",         "train.batch_size=8",
        "run.threads=1",    "train.checkpoint_every=3", "train.log_every=1",    "run.dir=" + in(run),     "--json",
        "--quiet"};
    a.insert(a.end(), more.begin(), more.end());
    return a;
  }
  /// The encoder's weights as exported bytes: equal parameters give equal files.
  static std::string weights(const std::string& run) {
    const Outcome o = eosin({"export", in(run), "out=" + in(run + "-export"), "--json", "--quiet"});
    EXPECT_EQ(o.code, 0) << o.err;
    return read_text(in(run + "-export") + "/model.safetensors");
  }

  static TemporaryFolder* folder_;
  static Outcome demo_, tile_;
};
TemporaryFolder* MainLine::folder_ = nullptr;
Outcome MainLine::demo_, MainLine::tile_;

TEST_F(MainLine, DemoAndTile) {
  ASSERT_EQ(demo_.code, 0) << demo_.err;
  ASSERT_EQ(tile_.code, 0) << tile_.err;
  EXPECT_EQ(tile_.json()["slides"], 4);
  EXPECT_EQ(tile_.json()["slides_failed"], 0);
  EXPECT_GT(tile_.json()["tiles"], 100);
  const Outcome info = eosin({"store", "info", store(), "--json"});
  EXPECT_EQ(info.json()["tiles"], tile_.json()["tiles"]);
  EXPECT_EQ(info.json()["complete"], true);
  EXPECT_EQ(eosin({"store", "verify", store(), "--json"}).json()["bad"], 0);
}

TEST_F(MainLine, TilingAgainSkipsWhatIsComplete) {
  const Outcome again =
      eosin({"tile", "slides=" + in("cohort/cohort.csv"), "store=" + store(), "tile.size_px=96", "tile.mpp=1.0", "--json", "--quiet"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.json()["tiles"], tile_.json()["tiles"]);
  const auto manifest = nlohmann::json::parse(read_text(store() + "/manifest.json"));
  EXPECT_EQ(manifest["verb"], "tile");
  EXPECT_EQ(manifest["attempts"].back()["exit_code"], 0);
  EXPECT_TRUE(fs::exists(store() + "/log.txt"));

  const Outcome other = eosin({"tile", "slides=" + in("cohort/cohort.csv"), "store=" + store(), "tile.size_px=96", "tile.mpp=0.5"});
  EXPECT_EQ(other.code, 2) << other.err;
  EXPECT_THAT(other.last_error_line(), HasSubstr("tile.mpp is 1 there and 0.5 here"));
}

TEST_F(MainLine, PretrainEmbedEvalReport) {
  const Outcome trained = eosin(pretrain("run"));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(trained.json()["step"], 12);
  for (const char* name : {"config.yaml", "manifest.json", "metrics.jsonl", "log.txt", "report.html", "checkpoints/LATEST", "pictures/views.jpg"})
    EXPECT_TRUE(fs::exists(in("run") + "/" + name)) << name;

  for (const std::string encoder : {in("run"), std::string("random:vit_tiny"), std::string("color_statistics")}) {
    const std::string features = in("features-" + std::to_string(encoder.size()));
    const Outcome embedded = eosin({"embed", "store=" + store(), "encoder=" + encoder, "image_size_px=64", "out=" + features, "--json", "--quiet"});
    ASSERT_EQ(embedded.code, 0) << embedded.err;
    EXPECT_EQ(embedded.json()["tiles"], tile_.json()["tiles"]);
    const Outcome scored = eosin({"eval", "protocol.name=knn", "protocol.k=1", "features=" + features, "labels=" + in("cohort/cohort.csv"),
                                  "run.dir=" + features + "-knn", "--json", "--quiet"});
    ASSERT_EQ(scored.code, 0) << scored.err;
    EXPECT_TRUE(scored.json()["metrics"].contains("balanced_accuracy")) << scored.out;
    EXPECT_THAT(read_text(features + "-knn/report.html"), HasSubstr("<svg"));
  }
}

TEST_F(MainLine, PicturesAndProbesLeaveTheParametersAsTheyAre) {
  const std::vector<std::string> plain = {"pictures.every=0"};
  const std::vector<std::string> watched = {"pictures.every=4", "pictures.tiles=3", "eval.every=5", "eval.tiles=40",
                                            "watch.alarms=[\"loss > 0: warn\"]"};
  const std::map<std::string, std::string> sheets = {{"dino", ""}, {"mae", "mae_reconstruction"}, {"ibot", "masks"}, {"dinov2", "masks"}};
  for (const auto& [method, sheet] : sheets) {
    const auto run = [&](const std::string& name, std::vector<std::string> more) {
      std::vector<std::string> a = pretrain(name);
      std::erase_if(a, [&](const std::string& word) { return word.starts_with("method.") || word.starts_with("train.steps"); });
      more.insert(more.end(), {"method.name=" + method, "train.steps=6", "data.crops=" + std::string(method == "mae" ? "mae" : "dino")});
      if (method != "mae") more.insert(more.end(), {"method.n_prototypes=64", "method.hidden_dim=64"});
      if (method == "mae") more.insert(more.end(), {"method.decoder_dim=32", "method.decoder_depth=1", "method.decoder_num_heads=2"});
      a.insert(a.end(), more.begin(), more.end());
      const Outcome o = eosin(a);
      EXPECT_EQ(o.code, 0) << method << ": " << o.err;
    };
    run(method + "-plain", plain);
    run(method + "-watched", watched);
    EXPECT_TRUE(weights(method + "-plain") == weights(method + "-watched")) << method;  // megabytes: not to be printed
    const std::string pictures = in(method + "-watched") + "/pictures/";
    for (const std::string& name : {std::string("patch_components"), std::string("attention"), sheet})
      if (!name.empty()) EXPECT_TRUE(read_text(pictures + name + ".png").starts_with("\x89PNG")) << method << " " << name;
    EXPECT_THAT(read_text(in(method + "-watched") + "/report.html"), HasSubstr("first three principal components of its patch tokens"));
    EXPECT_FALSE(fs::exists(in(method + "-plain") + "/pictures/attention.png"));
  }
}

TEST_F(MainLine, ARunThatBlowsUpEndsWithItsStepKeptForReplay) {
  const Outcome blown = eosin(pretrain("blown", {"optim.lr=1000", "optim.weight_decay=1000", "schedule.warmup_steps=0", "train.max_nonfinite=3"}));
  EXPECT_EQ(blown.code, 6) << blown.err;
  EXPECT_THAT(blown.last_error_line(), HasSubstr("3 steps in a row"));
  EXPECT_THAT(read_text(in("blown") + "/failures.jsonl"), HasSubstr("is not finite"));
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(in("blown") + "/replays")) files.push_back(entry.path().string());
  ASSERT_EQ(files.size(), 3u);
  std::sort(files.begin(), files.end());
  const auto file = nlohmann::json::parse(read_text(files[0]));
  EXPECT_EQ(file["tiles"].size(), 8u);
  EXPECT_EQ(file["first_position"], 8 * (file["step"].get<int>() - 1));
  EXPECT_TRUE(fs::exists(file["tiles"][0]["file"].get<std::string>()));

  const Outcome again = eosin({"pretrain", "--replay=" + files[0], "--json", "--quiet"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.json()["fault"], file["fault"]);
  EXPECT_THAT(again.json()["fault"].get<std::string>(), HasSubstr("finite"));
  EXPECT_GT(again.json()["modules"].size(), 50u);
  EXPECT_EQ(eosin({"pretrain", "--replay=" + in("blown") + "/config.yaml"}).code, 3);
  EXPECT_EQ(eosin({"pretrain", "--replay=" + in("nothing.json")}).code, 4);
}

TEST_F(MainLine, ASpikeIsReplayedWithTheSameLossAsTheRunHad) {
  // Every step is a "spike" above a bound this low, once ten losses are known.
  ASSERT_EQ(eosin(pretrain("spike", {"watch.loss_spike=0.5"})).code, 0);
  const std::string file = in("spike") + "/replays/step-00000011.json";
  ASSERT_TRUE(fs::exists(file));
  const Outcome again = eosin({"pretrain", "--replay=" + file, "--json", "--quiet"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.json()["fault"], "");
  EXPECT_EQ(again.json()["checkpoint"], 9);
  EXPECT_EQ(again.json()["loss"], nlohmann::json::parse(read_text(file))["loss"]);
}

TEST_F(MainLine, AKilledRunEndsWithTheParametersOfAnUndisturbedOne) {
  ASSERT_EQ(eosin(pretrain("whole")).code, 0);
  int kills = 0;
  for (int attempt = 0; attempt < 40; ++attempt) {
    Program p(pretrain("killed"));
    std::this_thread::sleep_for(std::chrono::milliseconds(350 + 217 * attempt % 900));
    p.signal(SIGKILL);
    if (p.wait().code == 0) break;
    ++kills;
  }
  ASSERT_EQ(eosin(pretrain("killed")).code, 0);
  EXPECT_GT(kills, 0);
  EXPECT_TRUE(weights("killed") == weights("whole"));
}

TEST_F(MainLine, TrainingFromSlidesIsKilledAndGoesOn) {
  const auto slides = [](const std::string& run, const std::vector<std::string>& more = {}) {
    std::vector<std::string> a = pretrain(run, {"data.slides=" + in("cohort/cohort.csv"), "data.tile.size_px=96", "data.tile.mpp=[1.0,0.5]",
                                                "data.order=block", "data.order.block=16", "data.order.window=4", "data.open_slides=2"});
    std::erase(a, "data.store=" + store());
    a.insert(a.end(), more.begin(), more.end());
    return a;
  };
  const Outcome planned = eosin(slides("slides-whole", {"--dry-run"}));
  ASSERT_EQ(planned.code, 0) << planned.err;
  EXPECT_EQ(planned.json()["slides_readable"], 4);
  ASSERT_EQ(eosin(slides("slides-whole")).code, 0);
  EXPECT_TRUE(fs::exists(in("slides-whole") + "/slides/slide_000.json"));
  int kills = 0;
  for (int attempt = 0; attempt < 40; ++attempt) {
    Program p(slides("slides-killed"));
    std::this_thread::sleep_for(std::chrono::milliseconds(350 + 217 * attempt % 900));
    p.signal(SIGKILL);
    if (p.wait().code == 0) break;
    ++kills;
  }
  ASSERT_EQ(eosin(slides("slides-killed", {"data.store=[]"})).code, 0);
  EXPECT_GT(kills, 0);
  EXPECT_EQ(weights("slides-killed"), weights("slides-whole"));
  EXPECT_NE(weights("slides-killed"), weights("whole"));
}

TEST_F(MainLine, QuotasAreShownBeforeTheRun) {
  const std::vector<std::string> keys = {"data.order=quota",    "data.order.by=slide", "data.order.temperature=0", "data.order.weights=[slide_001=3]",
                                         "data.order.round=60", "train.steps=2"};
  auto dry = keys;
  dry.push_back("--dry-run");
  const auto plan = eosin(pretrain("quotas", dry)).json();
  ASSERT_EQ(plan["quotas"].size(), 4u) << plan;
  EXPECT_EQ(plan["quotas"][1]["quota"], 30);
  EXPECT_EQ(plan["quotas"][3]["quota"], 10);
  ASSERT_EQ(eosin(pretrain("quotas", keys)).code, 0);
  EXPECT_THAT(read_text(in("quotas") + "/quotas.csv"), HasSubstr("slide_001,"));
  EXPECT_THAT(read_text(in("quotas") + "/log.txt"), HasSubstr("30 of 'slide_001'"));
}

TEST_F(MainLine, ASignalStopsAfterACheckpointWithExitCode75) {
  Program p(pretrain("stopped", {"train.steps=2000"}));
  while (!fs::exists(in("stopped") + "/checkpoints/LATEST")) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  p.signal(SIGTERM);
  const Outcome o = p.wait();
  EXPECT_EQ(o.code, 75) << o.err;
}

TEST_F(MainLine, AnotherConfigInTheSameRunFolderIsRefused) {
  ASSERT_EQ(eosin(pretrain("same")).code, 0);
  const Outcome o = eosin(pretrain("same", {"optim.lr=0.5"}));
  EXPECT_EQ(o.code, 2) << o.err;
  EXPECT_THAT(o.last_error_line(), HasSubstr("optim.lr"));
}

TEST_F(MainLine, ARunKeepsItsThreadsAndItsLastLoss) {
  const Outcome first = eosin(pretrain("threads", {"run.threads=3"}));
  ASSERT_EQ(first.code, 0) << first.err;
  const auto threads = [] { return nlohmann::json::parse(read_text(in("threads") + "/manifest.json"))["threads"]; };
  EXPECT_EQ(threads(), 3);
  const Outcome again = eosin(pretrain("threads", {"run.threads=0"}));
  EXPECT_EQ(again.json()["loss"], first.json()["loss"]) << again.out;
  EXPECT_EQ(threads(), 3);
  const Outcome other = eosin(pretrain("threads", {"run.threads=2"}));
  EXPECT_THAT(other.err, HasSubstr("run.threads is 2, the run had 3 so far"));
  EXPECT_EQ(threads(), 2);
}

TEST_F(MainLine, AFailedStartDoesNotClaimTheRunFolder) {
  EXPECT_EQ(eosin(pretrain("claimed", {"data.store=nostore"})).code, 4);
  EXPECT_EQ(eosin(pretrain("claimed", {"train.steps=2"})).code, 0);
}

TEST_F(MainLine, ADamagedStoreIsNeverTrainedOn) {
  fs::copy(store(), in("damaged"), fs::copy_options::recursive);
  for (const auto& entry : fs::directory_iterator(in("damaged"))) {
    if (entry.path().extension() != ".h5") continue;
    const auto size = static_cast<std::streamoff>(fs::file_size(entry.path()));
    std::fstream f(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    for (std::streamoff at = size / 3; at < size / 3 * 2; at += 1009) {  // the middle of a shard holds records alone
      f.seekg(at);
      const char byte = static_cast<char>(f.get());
      f.seekp(at);
      f.put(static_cast<char>(byte ^ 0x10));
    }
  }
  const Outcome verified = eosin({"store", "verify", in("damaged"), "--json"});
  EXPECT_EQ(verified.code, 3) << verified.out << verified.err;
  const Outcome trained = eosin(pretrain("on-damaged", {"data.store=" + in("damaged")}));
  EXPECT_EQ(trained.code, 3) << trained.out;
  EXPECT_THAT(trained.last_error_line(), testing::ContainsRegex("damaged/[^ ]+\\.h5.*the record is damaged"));
  EXPECT_FALSE(fs::exists(in("on-damaged") + "/checkpoints/LATEST"));
}

}  // namespace
}  // namespace eosin::system_test
