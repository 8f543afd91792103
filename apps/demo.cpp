#include "apps/verb.h"
#include "core/base/error.h"
#include "data/synthetic_cohort.h"

namespace eosin::apps {
namespace {

/// demo takes a folder where other verbs take a config, so that its keys come from the command line alone.
data::CohortConfig read_config(const Invocation& invocation) {
  EOSIN_CHECK(invocation.words.size() == 1, Config, "[demo] needs one folder to write to (got {}); eosin demo DIR [key=value ...]",
              invocation.words.size());
  data::CohortConfig config;
  config::read(invocation.settings(), config);
  return config;
}

int run(const Invocation& invocation) {
  const data::CohortConfig config = read_config(invocation);
  const std::string& folder = invocation.words.front();
  nlohmann::ordered_json result = {{"slides", config.slides}, {"dir", folder}};
  if (!invocation.dry_run) {
    const data::CohortFiles files = data::write_cohort(folder, config);
    result["cohort"] = files.cohort;
    result["reports"] = files.reports;
  }
  print_result(invocation, result);
  return 0;
}

}  // namespace

Verb demo_verb() {
  Verb verb;
  verb.name = "demo";
  verb.usage = "demo DIR [key=value ...]";
  verb.one_line = "writes a synthetic H&E-like cohort: pyramidal slides, cohort.csv, reports.csv, masks of what was planted";
  verb.example = "eosin demo demo-cohort slides=8";
  verb.run = run;
  verb.make_config = make_config<data::CohortConfig>();
  return verb;
}

}  // namespace eosin::apps
