// The table of verbs: one row each, in the order of --help.
#include "apps/verb.h"

namespace eosin::apps {

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> table = {
      demo_verb(), tile_verb(),   store_verb(), export_verb(), import_verb(), embed_verb(),  eval_verb(),   compare_verb(),  segmentation_verb(),
      mil_verb(),  report_verb(), bench_verb(), config_verb(), list_verb(),   doctor_verb(), launch_verb(), pretrain_verb(), run_verb(),
  };
  return table;
}

}  // namespace eosin::apps
