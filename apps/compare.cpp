// `eosin compare`: whether evaluations of the same rows differ.
#include "apps/verb.h"
#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "eval/report.h"
#include "eval/run_comparison.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;

struct CompareConfig {
  std::string out = "comparison";
  eval::ComparisonConfig comparison;
  void visit(config::Visitor& v) {
    v("out", out, "folder of comparison.json and report.html");
    comparison.visit(v);
  }
  void validate(config::Problems& p) const {
    if (out.empty()) p.add("out", "missing; give a folder");
    comparison.validate(p);
  }
};

std::string cell(const Json& row, const char* key) {
  const auto it = row.find(key);
  if (it == row.end() || it->is_null()) return "-";
  return it->is_number_float() ? fmt::format("{:.4g}", it->get<double>()) : it->is_string() ? it->get<std::string>() : it->dump();
}

void print_table(const Json& comparison) {
  constexpr const char* kLine = "{:<24} {:<18} {:<24} {:<24} {:>10} {:>10} {:>10} {:>9} {:>10}";
  std::printf("%s\n", fmt::format(kLine, "metric", "test", "a", "b", "a - b", "low", "high", "p", "p adjusted").c_str());
  for (const Json& r : comparison["comparisons"])
    std::printf("%s\n", fmt::format(kLine, cell(r, "metric"), cell(r, "test"), cell(r, "a"), cell(r, "b"), cell(r, "difference"), cell(r, "ci_low"),
                                    cell(r, "ci_high"), cell(r, "p"), cell(r, "p_adjusted"))
                            .c_str());
  for (const Json& note : comparison["notes"]) std::printf("%s\n", note.get<std::string>().c_str());
}

int run(const Invocation& in) {
  EOSIN_CHECK(in.words.size() >= 2, Config, "[compare] need at least two run folders (got {})", in.words.size());
  CompareConfig c;
  config::read(in.settings(), c);
  std::vector<eval::ScoredRun> runs;
  for (const auto& dir : in.words) runs.push_back(eval::read_scored_run(dir));
  const Json comparison = eval::compare_runs(runs, c.comparison);
  Json result = comparison;
  if (!in.dry_run) {
    std::filesystem::create_directories(c.out);
    write_file(c.out + "/comparison.json", comparison.dump(1, ' ', false, Json::error_handler_t::replace));
    eval::write_report(in.words, c.out + "/report.html", comparison);
    result["report"] = c.out + "/report.html";
  }
  if (in.json)
    print_json(result);
  else
    print_table(comparison);
  return 0;
}

}  // namespace

Verb compare_verb() {
  Verb verb;
  verb.name = "compare";
  verb.usage = "compare RUN RUN... [key=value ...]";
  verb.one_line = "evaluations of the same rows: paired differences with intervals by patient, DeLong, McNemar, Holm";
  verb.example = "eosin compare runs/linear runs/knn out=comparison";
  verb.run = run;
  verb.make_config = make_config<CompareConfig>();
  return verb;
}

}  // namespace eosin::apps
