#include "eval/report.h"
#include "apps/verb.h"
#include "core/base/error.h"

namespace eosin::apps {
namespace {

int run(const Invocation& in) {
  EOSIN_CHECK(!in.words.empty(), Config, "[report] no run was given; name at least one run folder");
  struct {
    std::string out;
    void visit(config::Visitor& v) { v("out", out, "path of the page; empty: report.html in the first run folder, comparison.html for several"); }
  } c;
  config::Source source;
  for (const auto& assignment : in.overrides) source.override_with(assignment);
  config::read(source, config::Visitor::ConfigRef{[&](config::Visitor& v) { c.visit(v); }, [](config::Problems&) {}});
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
  return verb;
}

}  // namespace eosin::apps
