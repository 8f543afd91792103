#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "eval/report.h"
#include "eval/svg.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace eosin::eval {
namespace {

namespace fs = std::filesystem;

class Report : public ::testing::Test {
 protected:
  Report() : root_(fs::temp_directory_path() / ("eosin-report-" + std::to_string(::getpid()))) { fs::create_directories(root_); }
  ~Report() override { fs::remove_all(root_); }
  std::string run(const std::string& name) {
    fs::create_directories(root_ / name);
    return (root_ / name).string();
  }
  void put(const std::string& dir, const std::string& file, const std::string& text) {
    fs::create_directories((fs::path(dir) / file).parent_path());
    write_file((fs::path(dir) / file).string(), text);
  }
  fs::path root_;
};

constexpr const char* kHostile = "</svg><script>alert(1)</script>";

std::string results(const std::string& label) {
  nlohmann::ordered_json fold{{"fold", 0}, {"n", 4}, {"value", 0.75}};
  const nlohmann::ordered_json pooled{{"ci", "cluster_bootstrap_percentile_1000"}, {"undefined", 0}};
  nlohmann::ordered_json r{{"schema", "eosin-report-1"}};
  r["data"] = {{"labels", {label, "b"}}};
  r["protocol"] = {{"name", "knn"},
                   {"kind", "honest"},
                   {"violations", {"accepted: " + label}},
                   {"audit", {{{"check", "groups_known"}, {"state", "warning"}, {"message", "no group column"}}}}};
  r["metrics"] = {{{"name", "balanced_accuracy"},
                   {"mean", 0.75},
                   {"ci_low", 0.5},
                   {"ci_high", 1.0},
                   {"unit", "group"},
                   {"pooled", pooled},
                   {"folds", {fold, fold}}}};
  r["curves"] = {{{"kind", "roc"}, {"fold", 0}, {"class", 1}, {"x", {0, 0.5, 1}}, {"y", {0, 1, 1}}}};
  r["confusion"] = {{2, 1}, {0, 1}};
  return r.dump();
}

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t i = text.find(what); i != std::string::npos; i = text.find(what, i + 1)) ++n;
  return n;
}

TEST(Svg, TextComesOutInert) {
  EXPECT_EQ(svg::escape("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
  EXPECT_EQ(svg::escape("\xC3\xA9"), "\xC3\xA9");
  EXPECT_EQ(svg::escape(std::string("\xFF\x01", 2)), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(svg::escape("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Svg, NumbersHaveAtMostFourDigits) {
  EXPECT_EQ(svg::number(0.912345), "0.9123");
  EXPECT_EQ(svg::number(-0.0), "0");
  EXPECT_EQ(svg::number(std::nan("")), "–");
}

TEST(Svg, ChartsOfNothingAndOfConstantsStillDraw) {
  EXPECT_NE(svg::line_chart({"t", "d", "x", "y", {}, {}, false, false}).find("</svg>"), std::string::npos);
  const std::string s = svg::line_chart({"t", "d", "x", "y", {{"a", {1, 2, 3}, {5, 5, std::nan("")}}}, {}, false, false});
  EXPECT_EQ(s.find("nan"), std::string::npos);
  EXPECT_EQ(s.find("inf"), std::string::npos);
}

TEST_F(Report, IsOnePageWithoutScriptOrNetworkWhateverTheLabels) {
  const std::string dir = run("hostile");
  put(dir, "results.json", results(kHostile));
  put(dir, "config.yaml", std::string("verb: eval\nrun:\n  name: ") + kHostile + "\n");
  put(dir, "failures.jsonl", nlohmann::json{{"id", kHostile}, {"message", kHostile}}.dump() + "\n");
  put(dir, "metrics.jsonl", nlohmann::json{{"step", 1}, {kHostile, 2.0}}.dump() + "\n");
  put(dir, std::string("qc/") + "a.png", "\x89PNG");
  const std::string page = report_html({read_run(dir)});
  EXPECT_NE(page.find("n = 8; protocol honest, with 1 warnings of the audit"), std::string::npos);
  EXPECT_NE(page.find("no group column"), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("src=\"http"), std::string::npos);
  EXPECT_EQ(page.find("href="), std::string::npos);
  EXPECT_EQ(count(page, "<svg"), count(page, "</svg>"));
  EXPECT_EQ(count(page, "<svg"), 4U);  // intervals, confusion, ROC, one curve
  EXPECT_GE(count(page, "<summary>numbers</summary>"), count(page, "<svg"));
  EXPECT_NE(page.find("data:image/png;base64,iVBORw=="), std::string::npos);
}

TEST_F(Report, ShowsWhatAMilRunMeasured) {
  const std::string dir = run("mil");
  nlohmann::ordered_json r = nlohmann::ordered_json::parse(results("a"));
  r["curves"].push_back({{"kind", "pr"}, {"fold", "pooled"}, {"class", 1}, {"x", {1, 0.5, 0}}, {"y", {0.5, 1, 1}}});
  r["reliability"] = {{"ece_10", 0.1}, {"confidence", {0.6, 0.9}}, {"accuracy", {0.5, 1}}, {"fraction", {0.25, 0.75}}};
  const nlohmann::ordered_json group{
      {"name", "low risk"},  {"n", 3}, {"time", {0, 2, 5}}, {"survival", {1, 0.5, 0}}, {"low", {1, 0.1, 0}}, {"high", {1, 0.9, 0}},
      {"at_risk", {3, 3, 1}}};
  r["survival"] = {{"groups", {group}}, {"logrank", {{"p", 0.25}}}};
  r["localization"] = {
      {"average_precision", 0.5}, {"chance", 0.04}, {"auroc", 0.9}, {"min_inside", 0.5}, {"by_slide", {{{"slide", kHostile}, {"inside", 3}}}}};
  r["top_tiles"] = {{{"class", kHostile}, {"x", 256}}};
  r["notes"] = {kHostile};
  put(dir, "results.json", r.dump());
  put(dir, "model_card.md", std::string("# Model card ") + kHostile);
  const std::string page = report_html({read_run(dir)});
  EXPECT_EQ(count(page, "<svg"), 6U);  // intervals, confusion, ROC, precision-recall, reliability, Kaplan-Meier
  EXPECT_EQ(count(page, "<svg"), count(page, "</svg>"));
  EXPECT_EQ(page.find("<script"), std::string::npos);
  for (const char* text : {"Kaplan-Meier", "log-rank p 0.25", "0.5 over 1 slides, chance 0.04", "Highest tiles", "model_card.md"})
    EXPECT_NE(page.find(text), std::string::npos) << text;
}

TEST_F(Report, ALineCutShortByAKillIsLeftOutAndALaterRowOfAStepWins) {
  const std::string dir = run("killed");
  put(dir, "metrics.jsonl", "{\"step\":1,\"loss\":3}\n{\"step\":2,\"loss\":2}\nnonsense\n{\"step\":2,\"loss\":1.5}\n{\"step\":3,\"lo");
  const RunRecord r = read_run(dir);
  ASSERT_EQ(r.metrics.size(), 2U);
  EXPECT_EQ(r.metrics[1]["loss"], 1.5);
  EXPECT_EQ(r.notes.size(), 1U);
  EXPECT_EQ(r.verb, "pretrain");
}

TEST_F(Report, ARunIsCalledByItsNameElseByItsFolder) {
  const std::string dir = run("folder");
  put(dir, "config.yaml", "verb: eval\nrun:\n  name: \"\"\n");
  EXPECT_EQ(read_run(dir).name, "folder");
  put(dir, "config.yaml", "verb: eval\nrun:\n  name: ViT-S, 20x\n");
  EXPECT_EQ(read_run(dir).name, "ViT-S, 20x");
  put(dir, "config.yaml", "verb: [eval\n");
  const RunRecord damaged = read_run(dir);
  EXPECT_EQ(damaged.name, "folder");
  EXPECT_EQ(damaged.notes.size(), 1U);
}

TEST_F(Report, SeveralRunsAreComparedWithTheDifferencesOfTheirConfigs) {
  const std::string a = run("a"), b = run("b");
  put(a, "results.json", results("a"));
  put(b, "results.json", results("a"));
  put(a, "config.yaml", "verb: eval\nprotocol:\n  name: knn\n  k: 10\n");
  put(b, "config.yaml", "verb: eval\nprotocol:\n  name: knn\n  k: 20\n");
  write_report({a, b}, (root_ / "both.html").string());
  const std::string page = read_file((root_ / "both.html").string());
  EXPECT_NE(page.find("Runs side by side"), std::string::npos);
  EXPECT_NE(page.find("protocol.k"), std::string::npos);
}

TEST_F(Report, GroupsTheCurvesOfARunByWhatIsAskedOfThem) {
  const std::string dir = run("curves");
  std::string rows;
  for (int step = 1; step <= 3; ++step)
    rows += nlohmann::json{{"step", step},
                           {"loss", 3.0 / step},
                           {"parts", {{"teacher_entropy", 4.0}, {"dino", 2.0}}},
                           {"lr", 0.1},
                           {"grad_norm", 1.0},
                           {"grad_norms", {{"backbone", 0.5}, {"head", 0.25}}},
                           {"images_per_second", 10.0},
                           {"eval", {{"crc/knn_accuracy", 0.5}, {"crc/linear_accuracy", 0.6}, {"lung/knn_accuracy", 0.7}, {"crc/rankme", 9.0}}}}
                .dump() +
            "\n";
  put(dir, "metrics.jsonl", rows);
  const std::string page = report_html({read_run(dir)});
  std::vector<size_t> places;
  for (const char* heading :
       {"Loss", "Probes on labelled tiles", "Is it collapsing?", "Gradients", "Throughput", "Parts of the loss", "Schedules and counts"}) {
    places.push_back(page.find(std::string(">") + heading + "<"));
    EXPECT_NE(places.back(), std::string::npos) << heading;
  }
  EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
  // loss; accuracies of crc, of lung; entropy, rank; norms of all, of modules; throughput; dino; lr.
  EXPECT_EQ(count(page, "<svg"), 10U);
  EXPECT_EQ(count(page, "Probes, other"), 0U);
  EXPECT_LT(page.find("teacher_entropy"), page.find("Gradients"));
  EXPECT_NE(page.find("directions in use"), std::string::npos);
}

TEST_F(Report, PicturesHaveTheCaptionsBesideThem) {
  const std::string dir = run("pictures");
  put(dir, "metrics.jsonl", "{\"step\":1,\"loss\":3}\n");
  put(dir, "pictures/attention.png", "\x89PNG");
  put(dir, "pictures/first_views.png", "\x89PNG");
  put(dir, "pictures/captions.json", "{\"attention.png\": \"heads <of> the last block\"}");
  const RunRecord r = read_run(dir);
  ASSERT_EQ(r.pictures.size(), 2U);
  EXPECT_EQ(r.pictures[0].caption, "heads <of> the last block");
  EXPECT_EQ(r.pictures[1].caption, "first views");
  EXPECT_NE(report_html({r}).find("heads &lt;of&gt; the last block"), std::string::npos);
}

TEST_F(Report, RefusesAFolderThatIsNoRun) {
  EXPECT_THROW(read_run((root_ / "absent").string()), Error);
  EXPECT_THROW(read_run(run("empty")), Error);
  EXPECT_THROW(report_html({}), Error);
}

}  // namespace
}  // namespace eosin::eval
