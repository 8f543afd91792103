// `eosin list`: what can be chosen by name, with sources.
#include "apps/mil_protocol.h"
#include "apps/verb.h"
#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/nn/presets.h"
#include "core/nn/staged_weights.h"
#include "core/nn/weight_names.h"
#include "data/import_formats.h"
#include "data/slide_reader.h"
#include "data/stain.h"
#include "data/tile_grids.h"
#include "data/tile_order.h"
#include "data/tissue.h"
#include "data/view_presets.h"
#include "eval/metrics.h"
#include "eval/protocol.h"
#include "mil/heads.h"
#include "mil/task.h"
#include "optim/optimizers.h"
#include "optim/schedules.h"
#include "ssl/methods.h"
#include "train/alarms.h"

#include <algorithm>
#include <cstdio>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;

/// The areas' tables differ in what a row makes; a name, one line and a source are in all of them.
template <class Table>
Json rows_of(const Table& table) {
  Json rows = Json::array();
  for (const auto& row : table) rows.push_back({{"name", row.name}, {"one_line", row.one_line}, {"source", row.source}});
  return rows;
}

struct Kind {
  const char* name;
  const char* one_line;
  Json (*rows)();
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> table = {
      {"ssl", "self-supervised objectives (method.name)", [] { return rows_of(ssl::method_table()); }},
      {"mil", "slide-level heads over bags of tile features (head.name)", [] { return rows_of(mil::head_table()); }},
      {"task", "what a slide-level head is trained for (task.name of mil)", [] { return rows_of(mil::task_table()); }},
      {"protocol", "protocols of papers that mil prints beside the honest one (protocol)", [] { return rows_of(paper_protocols()); }},
      {"backbone", "encoders (model.name)", [] { return rows_of(nn::backbones()); }},
      {"preset", "published encoders (import preset=...)", [] { return rows_of(nn::presets()); }},
      {"weights", "whose weights import knows by their keys",
       [] {
         Json rows = rows_of(nn::weight_origins());
         for (const Json& row : rows_of(nn::staged_origins())) rows.push_back(row);
         return rows;
       }},
      {"optim", "optimizers (optim.name)", [] { return rows_of(optim::optimizer_table()); }},
      {"schedule", "learning-rate schedules (schedule.name)", [] { return rows_of(optim::schedule_table()); }},
      {"views", "presets of crops and their augmentation", [] { return rows_of(data::view_presets()); }},
      {"order", "in which order tiles are drawn (data.order)", [] { return rows_of(data::tile_orders()); }},
      {"tissue", "tissue masks (tissue.method)", [] { return rows_of(data::tissue_method_rows()); }},
      {"stain", "stain normalisation (stain.method)", [] { return rows_of(data::stain_methods()); }},
      {"grid", "where tiles lie (grid)", [] { return rows_of(data::tile_grid_rows()); }},
      {"import", "what store import takes (format)", [] { return rows_of(data::import_formats()); }},
      {"slide_reader", "back ends that open slides", [] { return rows_of(data::slide_readers()); }},
      {"alarm", "what a run does when a measure leaves its bounds (watch.alarms)", [] { return rows_of(train::alarm_actions()); }},
      {"probe", "protocols of eval (protocol.name)", [] { return rows_of(eval::protocols()); }},
      {"metric", "what reports print", [] { return rows_of(eval::metrics()); }},
  };
  return table;
}

void print(const Json& rows, const Invocation& in) {
  if (in.json) {
    print_json(Json{{"rows", rows}});
    return;
  }
  size_t width = 0;
  for (const Json& row : rows) width = std::max(width, row["name"].get_ref<const std::string&>().size());
  for (const Json& row : rows) {
    const auto source = row.value("source", std::string{});
    std::printf("%s\n", fmt::format("{:<{}}  {}{}", row["name"].get<std::string>(), width, row["one_line"].get<std::string>(),
                                    source.empty() ? "" : " [" + source + "]")
                            .c_str());
  }
}

int run_list(const Invocation& in) {
  EOSIN_CHECK(in.words.size() <= 1 && in.overrides.empty(), Config, "[list] need one KIND or nothing; see eosin list --help");
  if (in.words.empty()) {
    Json rows = Json::array();
    for (const Kind& kind : kinds()) rows.push_back({{"name", kind.name}, {"one_line", kind.one_line}});
    print(rows, in);
    return 0;
  }
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) {
    if (in.words[0] == kind.name) return print(kind.rows(), in), 0;
    names.emplace_back(kind.name);
  }
  const auto near = config::nearest(in.words[0], names);
  fail(ErrorKind::Config, "[list] unknown kind '{}' (need one of: {}){}", in.words[0], fmt::join(names, ", "),
       near ? fmt::format("; did you mean '{}'?", *near) : "");
}

}  // namespace

Verb list_verb() {
  return {"list", "list [KIND]", "what can be chosen by name, one line each, with its source", "eosin list backbone", {}, run_list, nullptr};
}

}  // namespace eosin::apps
