#include "eval/model_card.h"

#include "core/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::eval {
namespace {

using testing::HasSubstr;
using testing::Not;

RunRecord record() {
  RunRecord run;
  run.dir = "runs/x", run.name = "x", run.verb = "mil";
  run.manifest = {{"version", "1.2"}, {"git_commit", "abc"}, {"cohort_sha256", "c0"}, {"data_sha256", "da"}, {"seed", 7}};
  run.results["data"] = {{"cohort", "a|b.csv"}, {"bags", 12},       {"unit", "slide"},
                         {"patients", 9},       {"sites", nullptr}, {"balance", {{"normal", 5}, {"tumour", 7}}}};
  run.results["protocol"] = {
      {"name", "abmil"}, {"kind", "honest"}, {"split", {{"source", "3 folds"}, {"splits", 3}}}, {"violations", nlohmann::ordered_json::array()}};
  run.results["metrics"] = nlohmann::ordered_json::parse(
      R"([{"name":"auroc","mean":0.8,"sd":0.1,"ci_low":0.7,"ci_high":0.9,"pooled":{"value":0.81}},{"name":"ece","mean":null,"sd":null,"ci_low":null,"ci_high":null}])");
  return run;
}

TEST(ModelCard, SaysWhatTheRunRecordsAndNothingElse) {
  const std::string card = model_card(record());
  for (const char* text : {"# Model card: abmil (x)", "a\\|b.csv", "c0", "da", "patients: 9", "normal 5, tumour 7",
                           "| auroc | 0.81 | 0.7 – 0.9 | 0.8 | 0.1 |", "| ece | – | – | – | – |", "names no sites", "commit: abc", "seed: 7"})
    EXPECT_THAT(card, HasSubstr(text));
  for (const char* text : {"- encoder:", "Beside other models", "Where it looks", "names no patients", "leak"})
    EXPECT_THAT(card, Not(HasSubstr(text)));
}

TEST(ModelCard, ShowsLeaksBaselinesAndRegions) {
  RunRecord run = record();
  run.results["protocol"]["kind"] = "leaking";
  run.results["protocol"]["violations"] = {"patient_3 in two parts; accepted: as published"};
  run.results["models"] = nlohmann::ordered_json::parse(
      R"([{"name":"abmil","kind":"head","protocol":"honest","metrics":{"auroc":{"mean":0.8,"ci_low":0.7,"ci_high":0.9}}}])");
  run.results["localization"] = {{"slides", 4}, {"average_precision", 0.5}, {"chance", 0.04}, {"auroc", 0.9}};
  run.results["failures"] = {{{"model", "m"}}};
  const std::string card = model_card(run);
  for (const char* text : {"**leak:** patient\\_3 in two parts", "too good by an unknown amount", "| abmil | head | honest | 0.8 | 0.7 – 0.9 |",
                           "0.5 over 4 slides (chance 0.04)", "1 models failed"})
    EXPECT_THAT(card, HasSubstr(text));
}

TEST(ModelCard, NeedsResults) { EXPECT_THROW(model_card(RunRecord{}), Error); }

}  // namespace
}  // namespace eosin::eval
