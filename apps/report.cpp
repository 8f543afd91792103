#include "eval/report.h"
#include "apps/verb.h"
#include "core/base/error.h"

namespace eosin::apps {
namespace {

struct ReportConfig {
  std::string out;
  void visit(config::Visitor& v) { v("out", out, "path of the page; empty: report.html in the first run folder, comparison.html for several"); }
};

int run(const Invocation& in) {
  EOSIN_CHECK(!in.words.empty(), Config, "[report] no run was given; name at least one run folder");
  ReportConfig c;
  config::read(in.settings(), c);
  const std::string path = !c.out.empty() ? c.out : in.words.size() == 1 ? in.words[0] + "/report.html" : "comparison.html";
  if (in.dry_run) {
    for (const auto& dir : in.words) eval::read_run(dir);
  } else {
    eval::write_report(in.words, path);
  }
  print_result(in, {{"path", path}, {"runs", in.words.size()}});
  return 0;
}

}  // namespace

Verb report_verb() {
  Verb verb;
  verb.name = "report";
  verb.usage = "report RUN... [out=PAGE.html]";
  verb.one_line = "one self-contained page: metrics with intervals, curves, pictures, config; several runs side by side";
  verb.example = "eosin report runs/eval";
  verb.run = run;
  verb.make_config = make_config<ReportConfig>();
  return verb;
}

}  // namespace eosin::apps
