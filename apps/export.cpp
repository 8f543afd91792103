#include "apps/verb.h"
#include "core/base/error.h"
#include "core/nn/encoder.h"

#include <ATen/core/Tensor.h>

#include <filesystem>

namespace eosin::apps {
namespace {

struct ExportConfig {
  std::string format = "timm", network = "auto", out;

  void visit(config::Visitor& v) {
    v("format", format, "names and config.json of timm, transformers (hf), the code of DINOv2 and DINOv3, or our own",
      config::OneOf{{"timm", "hf", "dinov2", "dinov3", "eosin"}});
    v("network", network, "which network of a run folder or checkpoint; auto: the teacher, or the only one",
      config::OneOf{{"auto", "teacher", "student"}});
    v("out", out, "folder to write; empty: RUN/export/<format>");
  }
};

std::string folder_for(const ExportConfig& config, const std::string& path) {
  if (!config.out.empty()) return config.out;
  EOSIN_CHECK(std::filesystem::is_directory(path), Config, "[export] {} is a file; say where to write with out=FOLDER", path);
  return (std::filesystem::path(path) / "export" / config.format).string();
}

int run_export(const Invocation& in) {
  EOSIN_CHECK(in.words.size() == 1, Config,
              "[export] got {} paths (need 1: a run folder, checkpoint, exported folder, safetensors or torch.save file)", in.words.size());
  ExportConfig config;
  config::read(in.settings(), config, "export");
  nn::EncoderSource source;
  source.network = config.network;
  const nn::EncoderWeights encoder = nn::read_encoder(in.words.front(), source);
  const std::string folder = folder_for(config, in.words.front());
  int64_t parameters = 0;
  for (const auto& [name, t] : encoder.weights) parameters += t.numel();
  if (!in.dry_run) nn::write_encoder(folder, encoder.spec, encoder.weights, config.format);
  print_result(in, {{"path", folder},
                    {"parameters", parameters},
                    {"format", config.format},
                    {"source", encoder.origin},
                    {"features", nn::feature_dim(encoder.spec.model)},
                    {"weights_hash", nn::weights_hash(encoder.weights)}});
  return 0;
}

}  // namespace

Verb export_verb() {
  return {"export",
          "export RUN [format=timm|hf|dinov2|dinov3|eosin] [network=teacher|student] [out=FOLDER]",
          "writes an encoder as model.safetensors and config.json, ready for the loader of timm, transformers, DINOv2 or DINOv3",
          "eosin export runs/dino format=timm out=encoders/dino",
          {"--format=timm  or hf, dinov2, dinov3, eosin: whose names the weights get"},
          run_export,
          make_config<ExportConfig>()};
}

}  // namespace eosin::apps
