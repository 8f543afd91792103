#include "apps/verb.h"
#include "core/base/error.h"

namespace eosin::apps {
namespace {

int run(const Invocation& in) {
  const config::Source source = in.source();
  const auto name = source.peek("verb");
  EOSIN_CHECK(name, Config, "[run] the config does not name its job; add a line such as 'verb: pretrain' at the top");
  if (const Verb* job = find_job(*name)) {
    EOSIN_CHECK(job->takes_config_file(), Config, "[run] '{}' takes paths on the command line, which a config cannot name: eosin {}", *name,
                job->usage);
    return job->run(in);
  }
  const auto names = job_names();
  const auto near = config::nearest(*name, names);
  fail(ErrorKind::Config, "[run] unknown verb '{}'{}; need one of {}", *name, near ? fmt::format("; did you mean '{}'?", *near) : "",
       fmt::join(names, ", "));
}

}  // namespace

Verb run_verb() {
  return {"run", "run CONFIG.yaml [key=value ...]", "runs the verb that the config names", "eosin run runs/dino/config.yaml", {}, run, nullptr};
}

}  // namespace eosin::apps
