#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/run_config.h"
#include "tests/checkout.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

namespace eosin::config {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const fs::path kCases = fs::path(source_dir()) / "tests/cases/config";

struct Dino {
  double teacher_temp = 0.04;
  int64_t n_prototypes = 4096;
  void visit(Visitor& v) {
    v("teacher_temp", teacher_temp, "softmax temperature of the teacher", Range{0, 1, kOpenLow});
    v("n_prototypes", n_prototypes, "outputs of the head", Range{1, 1e9});
  }
};
struct Mae {
  double mask_ratio = 0.75;
  void visit(Visitor& v) { v("mask_ratio", mask_ratio, "share of masked patches", Range{0, 1, kOpenLow | kOpenHigh}); }
};
const std::vector<ConfigRow>& methods() {
  static const std::vector<ConfigRow> table = {
      {"dino", "self-distillation", "Caron 2021", [] { return std::make_unique<ConfigOf<Dino>>(); }},
      {"mae", "masked autoencoder", "He 2022", [] { return std::make_unique<ConfigOf<Mae>>(); }},
  };
  return table;
}
struct Optim {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.999};
  std::optional<double> clip_grad;
  void visit(Visitor& v) {
    v("lr", lr, "peak learning rate", Range{0, 1, kOpenLow});
    v("betas", betas, "decay of the moments", Range{0, 1, kOpenHigh}, Length{2, 2});
    v("clip_grad", clip_grad, "largest norm of the gradient; null = no limit", Range{0, 1e6, kOpenLow});
  }
};
struct Demo {
  std::string store = "tiles", precision = "fp32";
  int64_t image_size_px = 96, patch_size = 16;
  bool flip = true;
  std::vector<double> crops = {0.32, 1};
  std::vector<std::string> slides;
  std::optional<int64_t> limit = 7;
  Optim optim;
  Choice method{methods(), "dino"};
  void visit(Visitor& v) {
    v("store", store, "folder of shards");
    v("precision", precision, "arithmetic", OneOf{{"fp32", "bf16"}});
    v("image_size_px", image_size_px, "edge of the input", Range{1, 4096});
    v("patch_size", patch_size, "edge of a token", Range{1, 64});
    v("flip", flip, "mirror at random");
    v("crops", crops, "share of the area", Range{0, 1, kOpenLow}, Length{2, 2});
    v("slides", slides, "paths");
    v("limit", limit, "at most so many; null = all");
    v("optim", optim, "optimizer");
    v("method", method, "objective");
  }
  void validate(Problems& p) const {
    if (const int64_t low = image_size_px / patch_size * patch_size; low != image_size_px)
      p.add("image_size_px", fmt::format("must be a multiple of patch_size (got {}, need {} or {})", image_size_px, low, low + patch_size));
  }
};

Demo load(const std::string& path, const std::vector<std::string>& overrides = {}) {
  Source source = path.empty() ? Source() : Source::from_file(path);
  for (const auto& o : overrides) source.override_with(o);
  Demo demo;
  read(source, demo, "demo");
  return demo;
}
Demo with(const std::vector<std::string>& overrides) { return load("", overrides); }

/// The message of the Config error that reading ends in; "" if there is none.
std::string message(const std::string& path, const std::vector<std::string>& overrides = {}) {
  try {
    load(path, overrides);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Config);
    return e.what();
  }
  return "";
}

/// Of this process: the machine may be busy with other things.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

class ConfigFile : public ::testing::Test {
 protected:
  std::string file(const std::string& text, const std::string& name = "x.yaml") const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  TemporaryFolder folder_;
};

// ---------------------------------------------------------------------------------------------- errors as data
std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& e : fs::directory_iterator(kCases))
    if (e.path().extension() == ".yaml") names.push_back(e.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}
class ConfigCase : public ::testing::TestWithParam<std::string> {};

/// The first line `# error: regex` must be found in one line of the message, in which the folder of the cases is left out.
TEST_P(ConfigCase, EndsInItsError) {
  const fs::path path = kCases / (GetParam() + ".yaml");
  std::ifstream in(path);
  std::string first;
  std::getline(in, first);
  ASSERT_EQ(first.rfind("# error: ", 0), 0u) << "the first line of a case names its error";
  std::string got = message(path.string());
  for (size_t at; (at = got.find(kCases.string() + "/")) != std::string::npos;) got.erase(at, kCases.string().size() + 1);
  std::istringstream lines(got);
  bool found = false;
  for (std::string line; std::getline(lines, line);) found = found || std::regex_search(line, std::regex(first.substr(9)));
  EXPECT_TRUE(found) << "want " << first.substr(9) << "\ngot  " << got;
}
INSTANTIATE_TEST_SUITE_P(Cases, ConfigCase, ::testing::ValuesIn(case_names()), [](const auto& info) { return info.param; });

// ---------------------------------------------------------------------------------------------- reading
TEST_F(ConfigFile, ReadsEveryTypeOfField) {
  const Demo d =
      load(file("verb: demo\nstore: 010\nprecision: bf16\nimage_size_px: 128\nflip: false\ncrops: [.5, 1]\n"
                "slides: [a, \"b c\"]\nlimit: null\noptim: {lr: 1e-4, clip_grad: 3}\nmethod: {name: mae, mask_ratio: 0.6}\n"));
  EXPECT_EQ(d.store, "010");  // ids with leading zeros are text
  EXPECT_EQ(d.precision, "bf16");
  EXPECT_EQ(d.image_size_px, 128);
  EXPECT_FALSE(d.flip);
  EXPECT_THAT(d.crops, ElementsAre(0.5, 1));
  EXPECT_THAT(d.slides, ElementsAre("a", "b c"));
  EXPECT_FALSE(d.limit.has_value());
  EXPECT_EQ(d.optim.lr, 1e-4);
  EXPECT_EQ(d.optim.clip_grad, 3);
  EXPECT_EQ(d.method.as<Mae>().mask_ratio, 0.6);
}

TEST_F(ConfigFile, NullGroupsAndEmptyFilesAreDefaults) {
  EXPECT_EQ(load(file("")).optim.lr, 1e-3);
  EXPECT_EQ(load(file("# nothing but a comment\n")).optim.lr, 1e-3);
  EXPECT_EQ(load(file("optim:\nmethod:\n")).method.name(), "dino");
}

TEST_F(ConfigFile, AnchorsAndCarriageReturnsWork) {
  EXPECT_THAT(load(file("\xEF\xBB\xBF"
                        "crops: &c [0.1, 0.2]\r\noptim:\r\n  betas: *c\r\n"))
                  .optim.betas,
              ElementsAre(0.1, 0.2));
}

TEST(Config, NameAloneSelectsWithDefaults) {
  EXPECT_EQ(with({"method=mae"}).method.as<Mae>().mask_ratio, 0.75);
  EXPECT_EQ(with({"method=mae", "method.mask_ratio=0.5"}).method.as<Mae>().mask_ratio, 0.5);
  EXPECT_EQ(with({"method.teacher_temp=0.07"}).method.as<Dino>().teacher_temp, 0.07);
}

TEST(Config, OverridesAreWordsListsOrMaps) {
  EXPECT_EQ(with({"optim.lr=1e-4"}).optim.lr, 1e-4);
  EXPECT_THAT(with({"crops=[0.3,1]"}).crops, ElementsAre(0.3, 1));
  EXPECT_THAT(with({"slides=*.svs"}).slides, ElementsAre("*.svs"));
  EXPECT_EQ(with({"store=C: a, b #1"}).store, "C: a, b #1");
  EXPECT_EQ(with({"store="}).store, "");
  EXPECT_EQ(with({"store='[x]'"}).store, "[x]");
  EXPECT_FALSE(with({"limit=null"}).limit);
  EXPECT_EQ(with({"optim={lr: 0.5}", "optim.clip_grad=2"}).optim.lr, 0.5);
}

TEST(Config, BadOverridesSayCommandLine) {
  EXPECT_EQ(message("", {"optim.lr=fast"}), "command line: optim.lr: wrong type (got fast, need a number in (0, 1])");
  EXPECT_EQ(message("", {"optim.lrr=1"}), "command line: optim.lrr: unknown key; did you mean 'optim.lr'?");
  EXPECT_EQ(message("", {"lr"}), "command line: 'lr' is not key=value");
  EXPECT_THAT(message("", {"optim..lr=1"}), HasSubstr("command line: 'optim..lr' is not a key"));
  EXPECT_THAT(message("", {"crops=[1,"}), HasSubstr("command line: crops:"));
  EXPECT_THAT(message("", {"store=\xff"}), HasSubstr("not UTF-8"));
}

TEST_F(ConfigFile, ExtendsMergesMapsAndReplacesLists) {
  const Demo d =
      load(file(fmt::format("extends: {}\noptim: {{betas: [0.7, 0.8]}}\nmethod: {{mask_ratio: 0.9}}\n", (kCases / "bases/base.yaml").string())));
  EXPECT_EQ(d.image_size_px, 64);
  EXPECT_EQ(d.optim.lr, 0.5);
  EXPECT_THAT(d.optim.betas, ElementsAre(0.7, 0.8));
  EXPECT_EQ(d.method.as<Mae>().mask_ratio, 0.9);
}

TEST_F(ConfigFile, OfSeveralExtendedFilesTheLaterWins) {
  const std::string base = (kCases / "bases/base.yaml").string();
  const std::string small = file("extends: " + base + "\nimage_size_px: 32\nmethod: {mask_ratio: 0.25}\n", "small.yaml");
  const Demo d = load(file(fmt::format("extends: [{}, {}]\noptim: {{lr: 0.75}}\n", base, small)));
  EXPECT_EQ(d.image_size_px, 32);
  EXPECT_EQ(d.optim.lr, 0.75);
  EXPECT_THAT(d.optim.betas, ElementsAre(0.5, 0.6));
  EXPECT_EQ(d.method.as<Mae>().mask_ratio, 0.25);
  EXPECT_THAT(message(file("extends: []\n")), HasSubstr("extends: need the path of a file, or a list of them (got [])"));
}

TEST_F(ConfigFile, AllProblemsComeAtOnceInTheOrderOfTheFile) {
  const std::string path = file("flip: maybe\noptim: {lrr: 1, lr: 2}\nmethod: {name: mae, teacher_temp: 1}\n");
  EXPECT_EQ(message(path), fmt::format("{0}:1:7: flip: wrong type (got maybe, need true or false)\n"
                                       "{0}:2:9: optim.lrr: unknown key; did you mean 'optim.lr'?\n"
                                       "{0}:2:21: optim.lr: out of range (got 2, need a number in (0, 1])\n"
                                       "{0}:3:21: method.teacher_temp: 'teacher_temp' is a key of method 'dino', not 'mae'",
                                       path));
}

TEST(Config, RulesAcrossFieldsWaitForGoodFields) {
  EXPECT_EQ(message("", {"image_size_px=97", "patch_size=none"}), "command line: patch_size: wrong type (got none, need a whole number in [1, 64])");
  EXPECT_EQ(message("", {"patch_size=17"}), "image_size_px: must be a multiple of patch_size (got 96, need 85 or 102)");
}

TEST(Config, ADeviceIsOneOfItsWords) {
  const auto reads = [](const std::string& word) {
    Source source;
    source.override_with("device=" + word);
    RunConfig run;
    read(source, run);
  };
  for (const char* word : {"cpu", "cuda", "cuda:1", "auto"}) EXPECT_NO_THROW(reads(word)) << word;
  for (const char* word : {"gpu", "cuda:", "cuda:-1", "cuda:1x"}) EXPECT_THROW(reads(word), Error) << word;
}

TEST(Config, MissingFileIsAConfigError) { EXPECT_EQ(message("/nowhere/x.yaml"), "no such file '/nowhere/x.yaml'"); }

TEST_F(ConfigFile, HostileFilesEndWithinASecond) {
  std::string many, extended;
  for (int i = 0; i < 70000; ++i) many += fmt::format("k{}: {}\n", i, i);
  const std::vector<std::string> texts = {std::string(999'000, '['),
                                          std::string(999'000, '{'),
                                          "store: " + std::string(2'000'000, 'x'),
                                          "precision: " + std::string(900'000, 'x'),
                                          std::string(900'000, 'x') + ": 1",
                                          many,
                                          std::string("store: a\0b", 10),
                                          "store: \xC3\x28",
                                          "\x89PNG\r\n\x1a\n",
                                          "flip: [" + std::string(900'000, ',') + "]",
                                          "optim: {\"" + std::string(900'000, 'y') + "\": 1}"};
  for (const std::string& text : texts) {
    const double start = cpu_seconds();
    const std::string got = message(file(text));
    EXPECT_LT(cpu_seconds() - start, 1) << text.substr(0, 20);
    EXPECT_FALSE(got.empty()) << text.substr(0, 20);
    EXPECT_LT(got.size(), 20'000u);
  }
  file(many, "base.yaml");
  const double start = cpu_seconds();
  EXPECT_THAT(message(file("extends: base.yaml\n" + many)), HasSubstr("more problems"));
  EXPECT_LT(cpu_seconds() - start, 2);
}

TEST(Config, PeekReadsAScalarOnly) {
  Source source;
  source.override_with("verb=tile");
  source.override_with("optim={lr: 1}");
  EXPECT_EQ(source.peek("verb"), "tile");
  EXPECT_FALSE(source.peek("optim"));
  EXPECT_EQ(source.peek("optim.lr"), "1");
  EXPECT_FALSE(source.peek("nothing"));
}

// ---------------------------------------------------------------------------------------------- writing
TEST_F(ConfigFile, WrittenYamlReadsBackToTheBit) {
  Demo d;
  d.store = "a \"b\"\\ \n\t\xC3\xA4: #x";
  d.slides = {"", "true", "No", "1e5", "007", "-", "~", "null", "*.svs", "plain/path.svs", " lead", "[x]", "\x01\x7f"};
  d.crops = {0.1 + 0.2, 5e-324};
  d.optim.lr = 1.0 / 3;
  d.optim.clip_grad = 1e5;
  d.image_size_px = 4096;
  ASSERT_TRUE(d.method.select("mae"));
  const std::string yaml = to_yaml(visit_of(d), "demo");
  Demo back = load(file(yaml));
  EXPECT_EQ(back.store, d.store);
  EXPECT_EQ(back.slides, d.slides);
  EXPECT_EQ(back.crops, d.crops);
  EXPECT_EQ(back.optim.lr, d.optim.lr);
  EXPECT_EQ(back.limit, d.limit);
  EXPECT_EQ(to_yaml(visit_of(back), "demo"), yaml);
  EXPECT_EQ(hash(visit_of(back)), hash(visit_of(d)));
}

TEST(Config, WritesYaml) {
  Demo d;
  EXPECT_EQ(to_yaml(visit_of(d), "demo"),
            "verb: demo\nstore: tiles\nprecision: fp32\nimage_size_px: 96\npatch_size: 16\nflip: true\ncrops: [0.32, 1]\nslides: []\nlimit: 7\n"
            "optim:\n  lr: 0.001\n  betas: [0.9, 0.999]\n  clip_grad: null\nmethod:\n  name: dino\n  teacher_temp: 0.04\n  n_prototypes: 4096\n");
}

TEST(Config, WritesJson) {
  Demo d;
  EXPECT_EQ(to_json(visit_of(d)).dump(),
            R"({"store":"tiles","precision":"fp32","image_size_px":96,"patch_size":16,"flip":true,"crops":[0.32,1.0],"slides":[],"limit":7,)"
            R"("optim":{"lr":0.001,"betas":[0.9,0.999],"clip_grad":null},"method":{"name":"dino","teacher_temp":0.04,"n_prototypes":4096}})");
}

TEST(Config, HashIsOfTheEffectiveValuesBelowNoIgnoredKey) {
  Demo a = with({"optim.lr=0.001"}), b = with({"optim.lr=1e-3"}), c = with({"optim.lr=2e-3"}), other = with({"method=mae"});
  EXPECT_EQ(hash(visit_of(a)).size(), 64u);
  EXPECT_EQ(hash(visit_of(a)), hash(visit_of(b)));
  EXPECT_NE(hash(visit_of(a)), hash(visit_of(c)));
  EXPECT_NE(hash(visit_of(a)), hash(visit_of(other)));
  EXPECT_EQ(hash(visit_of(a), {"optim"}), hash(visit_of(c), {"optim"}));
  EXPECT_EQ(hash(visit_of(a), {"optim.lr"}), hash(visit_of(c), {"optim.lr"}));
  EXPECT_NE(hash(visit_of(a), {"opt"}), hash(visit_of(c), {"opt"}));
}

TEST_F(ConfigFile, ExplainsTypesRulesAndOrigins) {
  const std::string path = file("optim:\n  lr: 0.5\nmethod: mae\n");
  Source source = Source::from_file(path);
  source.override_with("flip=false");
  Demo d;
  read(source, d, "demo");
  const auto rows = explain(visit_of(d), &source);
  const auto row = [&](const std::string& key) {
    for (const Row& r : rows)
      if (r.key == key) return fmt::format("{} | {} | {} | {}", r.type, r.value, r.rules, r.origin);
    return std::string("none");
  };
  EXPECT_EQ(row("optim.lr"), fmt::format("number | 0.5 | (0, 1] | {}:2:7", path));
  EXPECT_EQ(row("optim.betas"), "list of number | [0.9, 0.999] | [0, 1); 2 elements | default");
  EXPECT_EQ(row("flip"), "true or false | false |  | command line");
  EXPECT_EQ(row("method.name"), fmt::format("name | mae | one of: dino, mae | {}:3:9", path));
  EXPECT_EQ(row("method.mask_ratio"), "number | 0.75 | (0, 1) | default");
  EXPECT_EQ(row("limit"), "whole number or null | 7 |  | default");
}

TEST(Config, DiffNamesKeysWithBothValues) {
  Demo a, b = with({"optim.lr=0.5", "method=mae", "crops=[0.1,1]"});
  std::vector<std::string> got;
  for (const auto& d : diff(to_yaml(visit_of(a)), to_yaml(visit_of(b)))) got.push_back(fmt::format("{}: {} -> {}", d.key, d.a, d.b));
  EXPECT_THAT(
      got, ElementsAre("crops: [0.32, 1] -> [0.1, 1]", "optim.lr: 0.001 -> 0.5", "method.name: dino -> mae", "method.teacher_temp: 0.04 -> (not set)",
                       "method.n_prototypes: 4096 -> (not set)", "method.mask_ratio: (not set) -> 0.75"));
  EXPECT_TRUE(diff(to_yaml(visit_of(a)), to_yaml(visit_of(a))).empty());
}

TEST(Config, SchemaHasOneAlternativeForEachRow) {
  Demo d;
  const auto s = schema(visit_of(d), "demo");
  EXPECT_EQ(s["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(s["additionalProperties"], false);
  EXPECT_EQ(s["properties"]["verb"]["const"], "demo");
  EXPECT_EQ(s["properties"]["optim"]["properties"]["lr"]["exclusiveMinimum"], 0);
  EXPECT_EQ(s["properties"]["optim"]["properties"]["lr"]["maximum"], 1);
  EXPECT_EQ(s["properties"]["optim"]["properties"]["clip_grad"]["type"], (nlohmann::ordered_json{"number", "null"}));
  const auto& rows = s["properties"]["method"]["oneOf"];
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_FALSE(rows[0].contains("required"));
  EXPECT_EQ(rows[1]["required"][0], "name");
  EXPECT_TRUE(rows[1]["properties"].contains("mask_ratio"));
  EXPECT_EQ(rows[2]["enum"], (nlohmann::ordered_json{"dino", "mae"}));
  EXPECT_EQ(s["properties"]["crops"]["anyOf"][0]["minItems"], 2);
}

TEST(Config, NearestKeepsItsDistance) {
  const std::vector<std::string> known = {"weight_decay", "lr", "betas"};
  EXPECT_EQ(nearest("wieght_decay", known), "weight_decay");  // a swap is one step
  EXPECT_EQ(nearest("weight-decay", known), "weight_decay");
  EXPECT_EQ(nearest("imagesize", {"name", "image_size_px"}), "image_size_px");
  EXPECT_EQ(nearest("l", known), "lr");
  EXPECT_FALSE(nearest("momentum", known));
  EXPECT_FALSE(nearest("weigth_decoy_x_y", known));
  EXPECT_FALSE(nearest("x", {}));
}

TEST(Config, ChoicesCopyDeeply) {
  Demo a;
  Demo b = a;
  ASSERT_TRUE(b.method.select("mae"));
  EXPECT_FALSE(b.method.select("nothing"));
  EXPECT_EQ(a.method.name(), "dino");
  a = b;
  EXPECT_EQ(a.method.as<Mae>().mask_ratio, 0.75);
}

}  // namespace
}  // namespace eosin::config
