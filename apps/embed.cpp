#include "apps/verb.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/progress_line.h"
#include "core/base/run_config.h"
#include "core/base/run_folder.h"
#include "core/tensor/device.h"
#include "data/tile_store.h"
#include "eval/features.h"

#include <ATen/ATen.h>

#include <chrono>

namespace eosin::apps {
namespace {

struct EmbedConfig {
  std::string store, out;
  eval::ExtractorConfig extractor;
  int64_t batch_size = 64;
  std::string precision = "fp32", dtype = "float32";
  data::StainConfig stain;
  double max_bad_fraction = 0.001, max_failed_fraction = 0.1;
  RunConfig run;

  EmbedConfig() { run.dir.clear(); }
  void visit(config::Visitor& v) {
    v("store", store, "tile store");
    v("encoder", extractor.encoder,
      "run folder, checkpoint, exported folder, safetensors or torch.save file; or a baseline: random:<backbone>, color_statistics");
    v("out", out, "folder of the features: one HDF5 file a slide, or one file with ids for a store of pictures");
    v("network", extractor.network, "which network of a checkpoint; auto: the teacher, or the only one",
      config::OneOf{{"auto", "teacher", "student"}});
    v("pooling", extractor.pooling, "auto: the encoder's own; last4: class tokens of the last four blocks and the mean of the patches",
      config::OneOf{{"auto", "cls", "mean_patch", "cls_mean", "last4"}});
    v("token_merge", extractor.token_merge, "merging of similar tokens: faster features of a stored encoder that differ a little");
    v("untrained", extractor.untrained, "the encoder's architecture with fresh weights: the baseline of its training");
    v("image_size_px", extractor.image_size_px, "size of the pictures given to the encoder; 0: its own", config::Range{0, 65536});
    v("grayscale", extractor.grayscale, "pictures lose their colour: an evaluation condition");
    v("jpeg_quality", extractor.jpeg_quality, "tiles are stored as JPEGs of this quality first; 0: they are not: an evaluation condition",
      config::Range{0, 100});
    v("zoom", extractor.zoom, "the central 1 / zoom of a tile alone is shown, as at a higher magnification: an evaluation condition",
      config::Range{1, 16});
    v("batch_size", batch_size, "pictures at a time", config::Range{1, 1 << 20});
    v("precision", precision, "of the encoder's arithmetic", config::OneOf{{"fp32", "bf16", "fp16"}});
    v("dtype", dtype, "of the features in the files", config::OneOf{{"float32", "float16"}});
    v("stain", stain, "bringing the colours of the tiles to a reference's: an evaluation condition");
    v("max_bad_fraction", max_bad_fraction, "tiles of a slide that may be unreadable", config::Range{0, 1});
    v("max_failed_fraction", max_failed_fraction, "slides that may fail before the exit code is 3", config::Range{0, 1});
    v("run", run, "run folder (empty: out), seed, device, threads");
  }
  void validate(config::Problems& p) const {
    if (store.empty()) p.add("store", "missing; give a tile store");
    if (extractor.encoder.empty()) p.add("encoder", "missing; give an encoder, random:<backbone> or color_statistics");
    if (out.empty()) p.add("out", "missing; give a folder");
    if (extractor.token_merge.method != "none" && (extractor.encoder == "color_statistics" || extractor.encoder.starts_with("random:")))
      p.add("token_merge", "is for stored encoders; baselines have none");
    if (extractor.untrained && extractor.encoder == "color_statistics") p.add("untrained", "statistics have no weights");
  }
};

eval::ExtractionOptions options_of(const EmbedConfig& c, c10::Device device) {
  eval::ExtractionOptions o;
  o.batch_size = c.batch_size;
  o.threads = used_threads(c.run.threads);
  o.dtype = c.dtype;
  o.max_bad_fraction = c.max_bad_fraction;
  o.device = device;
  o.compute = c.precision == "bf16" ? at::kBFloat16 : c.precision == "fp16" ? at::kHalf : at::kFloat;
  return o;
}

int finish(const Invocation& in, const EmbedConfig& c, const eval::ExtractionResult& r, const data::StoreStain* stain, int64_t dim, double seconds) {
  print_result(in, {{"slides", r.slides},
                    {"slides_skipped", r.slides_skipped},
                    {"slides_failed", r.slides_failed},
                    {"tiles", r.tiles},
                    {"tiles_unread", r.tiles_unread},
                    {"stain_left", stain ? stain->left() : 0},
                    {"dim", dim},
                    {"seconds", seconds},
                    {"out", c.out}});
  if (r.stopped) {
    log::warn("[embed] stopped on request; the same command goes on");
    return kExitStopped;
  }
  EOSIN_CHECK(static_cast<double>(r.slides_failed) <= c.max_failed_fraction * static_cast<double>(r.slides), Data,
              "[embed] too many slides failed (got {} of {}, need at most a share of {}); the reasons are in failures.jsonl", r.slides_failed,
              r.slides, c.max_failed_fraction);
  return 0;
}

int run(const Invocation& in) {
  EmbedConfig c;
  config::read(in.source(), c, "embed");
  const bool beside = c.run.dir.empty();  // the run folder is the features folder
  if (beside) c.run.dir = c.out;
  c.extractor.seed = c.run.seed;
  const c10::Device device = device::prepare(c.run);
  const auto store = std::make_shared<const data::TileStore>(c.store);
  eval::Extractor extractor = eval::make_extractor(c.extractor, *store, device);
  std::shared_ptr<const data::StoreStain> stain;
  if (const auto reference = data::open_stain_reference(c.stain)) {
    EOSIN_CHECK(store->format().stain.empty(), Config, "[embed] stain.method is {}, but the store's tiles already have their colours changed ({})",
                c.stain.method, store->format().stain);
    stain = std::make_shared<const data::StoreStain>(store, reference);
    extractor.transform = fmt::format("stain {}, {}", stain->description(), extractor.transform);
  }
  if (in.dry_run) {
    print_result(
        in,
        {{"tiles", store->n_tiles()}, {"dim", extractor.dim}, {"transform", extractor.transform}, {"config", config::to_json(config::visit_of(c))}});
    return 0;
  }
  RunFolder folder(c.run.dir, config::visit_of(c), "embed", {in.fresh, in.resume_with_changes});
  if (beside) c.out = folder.dir();  // --fresh may have taken another name
  folder.note("store_digest", store->digest());
  folder.note("weights_sha256", extractor.weights_sha256);
  return folder.record([&] {
    const auto start = std::chrono::steady_clock::now();
    eval::ExtractionOptions options = options_of(c, device);
    options.stain = stain;
    eval::ExtractionResult r;
    {
      ProgressLine line("embed", "tiles", static_cast<int64_t>(store->n_tiles()));
      r = eval::extract_features(
          store, extractor, c.out, options, [&](int64_t tiles) { line.add(tiles); }, [&](const Failure& f) { folder.add_failure(f); });
    }
    return finish(in, c, r, stain.get(), extractor.dim, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  });
}

}  // namespace

Verb embed_verb() {
  Verb verb;
  verb.name = "embed";
  verb.usage = "embed [CONFIG.yaml] [key=value ...]";
  verb.one_line = "tiles -> features of an encoder or a baseline: one HDF5 file a slide, or one with ids";
  verb.example = "eosin embed store=demo-tiles encoder=random:vit_tiny out=demo-features";
  verb.run = run;
  verb.make_config = make_config<EmbedConfig>();
  return verb;
}

}  // namespace eosin::apps
