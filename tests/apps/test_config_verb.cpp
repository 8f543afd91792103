#include "apps/verb.h"
#include "core/base/error.h"
#include "ssl/methods.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace eosin::apps {
namespace {
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

std::string output(const Verb& verb, const std::vector<std::string>& words, const std::vector<std::string>& overrides = {}, bool json = false) {
  Invocation in;
  in.words = words;
  in.overrides = overrides;
  in.json = json;
  ::testing::internal::CaptureStdout();
  try {
    perform(verb, in);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Config);
    return ::testing::internal::GetCapturedStdout() + "error: " + e.what();
  }
  return ::testing::internal::GetCapturedStdout();
}

class ConfigVerb : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  TemporaryFolder folder_;
};

TEST_F(ConfigVerb, ChecksFilesByTheVerbThatTheyName) {
  const std::string good = file("good.yaml", "verb: tile\nslides: [a.svs]\nstore: s\n"),
                    bad = file("bad.yaml", "verb: tile\nslides: [a.svs]\nstorr: s\n");
  EXPECT_EQ(output(config_verb(), {"check", good}), good + ": good (tile)\n");
  EXPECT_THAT(output(config_verb(), {"check", good, bad}), HasSubstr("error: " + bad + ":3:1: storr: unknown key; did you mean 'store'?"));
  EXPECT_THAT(output(config_verb(), {"check", file("none.yaml", "slides: [a]\n")}), HasSubstr("does not name its verb"));
  EXPECT_THAT(output(config_verb(), {"check", file("other.yaml", "verb: tlie\n")}), HasSubstr("did you mean 'tile'?"));
}

TEST_F(ConfigVerb, ShowsOriginsAndExplainsKeys) {
  const std::string path = file("x.yaml", "verb: tile\nslides: [a.svs]\nstore: s\n");
  const std::string shown = output(config_verb(), {"show", path}, {"tile.mpp=0.25"});
  EXPECT_THAT(shown, ContainsRegex("store: s +# .*x.yaml:3:8\n"));
  EXPECT_THAT(shown, ContainsRegex("tile.mpp: 0.25 +# command line\n"));
  EXPECT_THAT(output(config_verb(), {"explain", "tile"}), ContainsRegex("tile.size_px: [0-9]+ +# .*whole number"));
}

TEST_F(ConfigVerb, DiffsTwoConfigs) {
  const std::string a = file("a.yaml", "verb: tile\nslides: [a.svs]\nstore: s\n"), b = file("b.yaml", "verb: tile\nslides: [a.svs]\nstore: t\n");
  EXPECT_EQ(output(config_verb(), {"diff", a, b}), "store: s -> t\n");
  EXPECT_EQ(output(config_verb(), {"diff", a, b}, {}, true), "{\"differences\":[{\"key\":\"store\",\"a\":\"s\",\"b\":\"t\"}]}\n");
}

TEST_F(ConfigVerb, SchemaIsJsonForEveryVerbWithAConfig) {
  for (const Job& job : jobs()) {
    const auto schema = nlohmann::json::parse(output(config_verb(), {"schema", job.name}));
    EXPECT_EQ(schema["properties"]["verb"]["const"], job.name);
  }
}

TEST_F(ConfigVerb, UnknownActionNamesTheNearest) {
  EXPECT_THAT(output(config_verb(), {"chekc"}), HasSubstr("did you mean 'check'?"));
  EXPECT_THAT(output(bench_verb(), {"lodaer"}),
              HasSubstr("[bench] need one of loader, store, list, tile, step, loss, mil (got 'lodaer'); did you mean 'loader'?"));
  EXPECT_THAT(output(store_verb(), {}), HasSubstr("[store] need one of info, verify,"));
}

TEST_F(ConfigVerb, AnActionHasItsOwnKeys) {
  EXPECT_THAT(output(config_verb(), {"explain", "bench", "store"}), HasSubstr("records: 100000"));
  EXPECT_THAT(output(config_verb(), {"schema", "store", "merge"}), HasSubstr("shuffle_seed"));
  EXPECT_THAT(output(config_verb(), {"explain", "bench"}), HasSubstr("need one of: bench loader, bench store"));
  EXPECT_THAT(output(bench_verb(), {"store"}, {"recrods=5"}), HasSubstr("recrods: unknown key; did you mean 'records'?"));
  EXPECT_THAT(output(store_verb(), {"merge", "a"}, {"shufle_seed=5"}), HasSubstr("did you mean 'shuffle_seed'?"));
  const std::string path = file("bench.yaml", "verb: bench store\nrecords: 5\n");
  EXPECT_EQ(output(config_verb(), {"check", path}), path + ": good (bench store)\n");
  EXPECT_THAT(output(run_verb(), {path}, {"recrods=5"}), HasSubstr("did you mean 'records'?"));
}

TEST_F(ConfigVerb, ExplainsMethodsWithoutTheValuesOfARun) {
  for (const auto& method : ssl::method_table())
    EXPECT_THAT(output(config_verb(), {"explain", "pretrain"}, {"method.name=" + method.name}), HasSubstr("method.name: " + method.name));
  EXPECT_THAT(output(config_verb(), {"explain", "pretrain"}, {"method.nmae=distill"}), HasSubstr("error: "));
  const std::string path = file("begun.yaml", "verb: tile\ntile: {overlap_px: 0}\n");  // no slides yet
  EXPECT_THAT(output(config_verb(), {"explain", path}), HasSubstr("tile.overlap_px: 0"));
}

TEST(ListVerb, EveryKindHasRows) {
  const auto kinds = nlohmann::json::parse(output(list_verb(), {}, {}, true))["rows"];
  ASSERT_FALSE(kinds.empty());
  for (const auto& kind : kinds) EXPECT_FALSE(nlohmann::json::parse(output(list_verb(), {kind["name"]}, {}, true))["rows"].empty()) << kind;
  EXPECT_THAT(output(list_verb(), {"opti"}), HasSubstr("did you mean 'optim'?"));
}

TEST(DoctorVerb, ReportsEveryCheck) {
  const TemporaryFolder folder;
  const auto checks = nlohmann::json::parse(output(doctor_verb(), {folder.path().string()}, {}, true))["checks"];
  EXPECT_GE(checks.size(), 7u);
  for (const auto& check : checks) EXPECT_THAT(check["state"].get<std::string>(), ::testing::AnyOf("ok", "warn")) << check;
}

}  // namespace
}  // namespace eosin::apps
