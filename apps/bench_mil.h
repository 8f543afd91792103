#pragma once
// Many small attention models over the same bags, all in one pass, beside a loop in PyTorch that trains one after another.
#include "apps/bench_step.h"

namespace eosin::apps {

struct MilBench {
  int64_t bags = 40, tiles = 2000, in_dim = 384, epochs = 1, models = 12;
  std::vector<int64_t> widths = {8, 16, 32, 64, 128, 256};
  double dropout = 0.25;
  int64_t repeats = 3;
  BenchRunConfig run;
  void visit(config::Visitor& v) {
    v("bags", bags, "training bags of every model", config::Range{1, 1e6});
    v("tiles", tiles, "tiles of a bag", config::Range{1, 1e7});
    v("in_dim", in_dim, "features of a tile", config::Range{1, 65536});
    v("epochs", epochs, "epochs of every model", config::Range{1, 1e6});
    v("models", models, "gated ABMIL models, of the widths in turn", config::Range{1, 1e6});
    v("widths", widths, "widths of the layer before attention; attention is half as wide", config::Range{2, 65536}, config::Length{1, 64});
    v("dropout", dropout, "of the layer and inside attention", config::Range{0, 1, config::kOpenHigh});
    v("repeats", repeats, "repeats; the median is reported", config::Range{1, 1000});
    v("run", run, "threads and seed");
  }
};

/// Items are the steps of all models (a bag each). `flops` are those of the matrix products alone. With `peers` the same models one after
/// another in PyTorch, as CLAM's loop trains them (scripts/peers/mil.py).
std::vector<std::function<Figure()>> mil_cases(const MilBench& bench, bool peers);

}  // namespace eosin::apps
