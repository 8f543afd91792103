// The backbones beside the vision transformer: shapes, names, groups, gradients, public names, bad input.
#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/nn/convnext.h"
#include "core/nn/encoder.h"
#include "core/nn/init.h"
#include "core/nn/presets.h"
#include "core/nn/resnet.h"
#include "core/nn/stage_names.h"
#include "core/nn/swin.h"
#include "core/nn/vit.h"
#include "core/nn/weights.h"
#include "tests/gradcheck.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace eosin::nn {
namespace {

using testing::HasSubstr;

ResNetConfig resnet(const std::string& block) {
  ResNetConfig c;
  c.block = block, c.depths = {1, 2, 1, 1}, c.width = 5;
  return c;
}

ConvNextConfig convnext() {
  ConvNextConfig c;
  c.depths = {1, 1, 2, 1}, c.dims = {5, 7, 11, 13};
  c.init_values = 0.3;
  return c;
}

SwinConfig swin(const std::string& stem = "patch") {
  SwinConfig c;
  c.img_size = {28, 36}, c.embed_dim = 8, c.depths = {1, 2, 2, 1}, c.num_heads = {2, 1, 4, 2}, c.window = 3, c.stem = stem;
  return c;
}

/// Away from its initial value, so that a swapped or forgotten one shows.
void move(const Tensor& p, const std::string& name) {
  const Tensor noise = at::empty_like(p);
  init_normal(noise, 0.1, 5, name);
  p.add_(noise);
}

std::shared_ptr<Backbone> make(const ModelConfig& model, uint64_t seed = 3) {
  const auto backbone = make_backbone(model);
  backbone->init_weights(seed);
  const at::NoGradGuard no_grad;
  for (auto& item : backbone->named_parameters()) move(item.value(), item.key());
  for (auto& item : backbone->named_buffers())
    if (item.key().ends_with("running_var")) item.value().fill_(1.7);
  backbone->eval();
  return backbone;
}

struct Family {
  ModelConfig model;
  std::vector<int64_t> size;  // of an image
  PatchGrid grid;             // of its patches
  int64_t width;
};
std::vector<Family> families() {
  return {{resnet("basic"), {37, 67}, {2, 3}, 40},
          {resnet("bottleneck"), {37, 67}, {2, 3}, 160},
          {convnext(), {36, 68}, {1, 2}, 13},
          {swin(), {28, 44}, {1, 2}, 64},
          {swin("conv"), {20, 36}, {1, 2}, 64}};
}

TEST(Backbones, ShapesOfFeaturesAndTokens) {
  for (const Family& f : families()) {
    const auto model = make(f.model);
    const Tensor images = at::randn({3, 3, f.size[0], f.size[1]});
    const ImageTokens tokens = model->encode({images}).front();
    EXPECT_EQ(feature_dim(f.model), f.width) << family_of(f.model);
    EXPECT_EQ(tokens.grid, f.grid) << family_of(f.model);
    EXPECT_EQ(tokens.patches_BND.sizes(), (std::vector<int64_t>{3, f.grid.count(), f.width}));
    EXPECT_FALSE(tokens.class_BD.defined());
    const Tensor features = model->forward(images);
    EXPECT_EQ(features.sizes(), (std::vector<int64_t>{3, f.width}));
    EXPECT_TRUE(tokens.summary_BD.equal(features));
    EXPECT_TRUE(features.isfinite().all().item<bool>());
    if (!std::holds_alternative<ConvNextConfig>(f.model)) EXPECT_TRUE(tokens.mean_patch().allclose(features, 1e-5, 1e-6));
  }
}

TEST(Backbones, GroupsEqualSinglePasses) {
  for (const Family& f : families()) {
    const auto model = make(f.model);
    const Tensor global = at::randn({2, 3, f.size[0], f.size[1]}), local = at::randn({5, 3, 32, 32});
    const std::vector<Tensor> together = model->forward_features({global, local});
    EXPECT_TRUE(together[0].equal(model->forward(global))) << family_of(f.model);
    EXPECT_TRUE(together[1].equal(model->forward(local))) << family_of(f.model);
  }
}

TEST(Backbones, HaveTimmsNames) {
  const TensorMap r = named_weights(*make(resnet("bottleneck"))), c = named_weights(*make(convnext())), s = named_weights(*make(swin("conv")));
  for (const char* name : {"conv1.weight", "bn1.running_mean", "layer1.0.conv3.weight", "layer2.0.downsample.0.weight",
                           "layer2.0.downsample.1.num_batches_tracked", "layer2.1.bn2.bias", "layer4.0.bn3.running_var"})
    EXPECT_TRUE(r.count(name)) << name;
  EXPECT_FALSE(r.count("layer2.1.downsample.0.weight"));
  for (const char* name :
       {"stem.0.bias", "stem.1.weight", "stages.1.downsample.0.bias", "stages.3.downsample.1.weight", "stages.2.blocks.1.conv_dw.weight",
        "stages.2.blocks.1.norm.weight", "stages.0.blocks.0.mlp.fc1.weight", "stages.0.blocks.0.gamma", "head.norm.weight"})
    EXPECT_TRUE(c.count(name)) << name;
  for (const char* name :
       {"patch_embed.proj.0.weight", "patch_embed.proj.4.running_var", "patch_embed.proj.6.bias", "patch_embed.norm.weight",
        "layers.1.downsample.reduction.weight", "layers.1.downsample.norm.bias", "layers.2.blocks.1.attn.relative_position_bias_table",
        "layers.0.blocks.0.attn.qkv.bias", "layers.3.blocks.0.mlp.fc2.weight", "norm.bias"})
    EXPECT_TRUE(s.count(name)) << name;
}

TEST(Backbones, LayersAreCountedThroughTheStages) {
  const auto at = [](const ModelConfig& model, const std::string& name) { return layer_name(model, "student.backbone." + name); };
  EXPECT_EQ(at(resnet("basic"), "layer3.0.conv1.weight"), "student.backbone.blocks.3.conv1.weight");
  EXPECT_EQ(at(resnet("basic"), "layer2.0.downsample.1.bias"), "student.backbone.blocks.1.downsample.1.bias");
  EXPECT_THAT(at(resnet("basic"), "bn1.weight"), HasSubstr("patch_embed."));
  EXPECT_EQ(at(convnext(), "stages.3.blocks.0.gamma"), "student.backbone.blocks.4.gamma");
  EXPECT_EQ(at(convnext(), "stages.3.downsample.1.weight"), "student.backbone.blocks.4.1.weight");
  EXPECT_THAT(at(convnext(), "stem.0.weight"), HasSubstr("patch_embed."));
  EXPECT_EQ(at(convnext(), "head.norm.weight"), "student.backbone.head.norm.weight");
  EXPECT_EQ(at(swin(), "layers.2.blocks.1.norm1.weight"), "student.backbone.blocks.4.norm1.weight");
  EXPECT_THAT(at(swin(), "patch_embed.proj.weight"), HasSubstr("patch_embed."));
  EXPECT_EQ(blocks(swin()), 6);
}

TEST(Backbones, GradientsWithStochasticDepth) {
  SwinConfig s = swin("conv");
  ConvNextConfig c = convnext();
  s.drop_path_rate = c.drop_path_rate = 0.4;
  const std::vector<std::pair<ModelConfig, std::vector<int64_t>>> cases = {{c, {32, 36}}, {s, {20, 28}}, {resnet("bottleneck"), {17, 19}}};
  for (const auto& [config, size] : cases) {
    const auto model = make(config);
    model->to(at::kDouble);
    model->train();
    const Tensor images = at::randn({3, 3, size[0], size[1]}, at::kDouble).requires_grad_(),
                 weight = at::randn({3, feature_dim(config)}, at::kDouble);
    std::vector<std::pair<std::string, Tensor>> leaves = {{"images", images}};
    for (const auto& item : model->named_parameters())
      if (leaves.size() < 14) leaves.emplace_back(item.key(), item.value());
    const auto f = [&] { return (model->forward_features({images}, DropPathKey{1, 2}).front() * weight).sum(); };
    expect_gradients(f, leaves, 2, 1e-5);
  }
}

TEST(Backbones, StochasticDepthIsReproducibleAndNeedsAKey) {
  ConvNextConfig config = convnext();
  config.drop_path_rate = 0.5;
  const auto model = make(config);
  const Tensor images = at::randn({6, 3, 32, 32});
  const auto pass = [&](uint64_t position) { return model->forward_features({images}, DropPathKey{1, position}).front(); };
  EXPECT_TRUE(pass(6).equal(pass(6)));
  EXPECT_FALSE(pass(6).equal(pass(12)));
  EXPECT_TRUE(model->forward(images).equal(make(convnext())->forward(images)));
}

TEST(WindowAttention, OfOneWindowIsPlainAttentionWithRelativePositions) {
  WindowAttention attention(6, 2, Extent{2, 3}, Extent{0, 0});
  for (auto& item : attention->named_parameters()) item.value().data().normal_();
  const Tensor grid = at::randn({4, 2, 3, 6});
  const TensorMap w = named_weights(*attention);
  const Tensor qkv = at::linear(grid.view({4, 6, 6}), w.at("qkv.weight"), w.at("qkv.bias")).view({4, 6, 3, 2, 3}).permute({2, 0, 3, 1, 4});
  Tensor logits = at::matmul(qkv[0], qkv[1].transpose(-1, -2)) / std::sqrt(3.0);
  for (int64_t a = 0; a < 6; ++a)
    for (int64_t b = 0; b < 6; ++b) {
      const int64_t down = a / 3 - b / 3 + 1, right = a % 3 - b % 3 + 2;
      logits.select(2, a).select(2, b).add_(w.at("relative_position_bias_table")[down * 5 + right].detach());
    }
  const Tensor mixed = at::matmul(logits.softmax(-1), qkv[2]).transpose(1, 2).reshape({4, 6, 6});
  EXPECT_TRUE(attention(grid).allclose(at::linear(mixed, w.at("proj.weight"), w.at("proj.bias")).view({4, 2, 3, 6}), 1e-4, 1e-5));
}

TEST(WindowAttention, AShiftedGridSeesNeighboursOnly) {
  WindowAttention attention(4, 1, Extent{2, 2}, Extent{1, 1});
  for (auto& item : attention->named_parameters()) item.value().data().normal_();
  const Tensor grid = at::randn({1, 4, 6, 4});
  Tensor changed = grid.clone();
  changed[0][0][0].add_(1);  // a corner: shifted windows hold it alone
  const Tensor moved = (attention(changed) - attention(grid)).abs().amax(3)[0];
  EXPECT_GT(moved[0][0].item<float>(), 1e-4);
  EXPECT_EQ((moved > 1e-6).sum().item<int64_t>(), 1);
  EXPECT_TRUE(from_windows(to_windows(grid, {2, 3}), {2, 3}, 4, 6).equal(grid));
}

TEST(StagedWeights, ComeBackFromTheirNames) {
  for (const Family& f : families()) {
    TensorMap theirs;
    for (const auto& [name, t] : named_weights(*make(f.model))) theirs.emplace("module." + name, t);
    theirs["module.head.fc.weight"] = at::zeros({2, 3});
    ImportTarget target;
    target.img_size = image_size(f.model);
    const ImportedWeights back = convert_state_dict(theirs, target);
    nlohmann::ordered_json found = to_json(back.model), wanted = to_json(f.model);
    found[family_of(f.model)].erase("init_values"), wanted[family_of(f.model)].erase("init_values");  // no weight says it
    EXPECT_EQ(found, wanted);
    EXPECT_EQ(back.weights.size() + back.dropped.size(), theirs.size());
    load_weights(*make_backbone(back.model), back.weights);
  }
}

TEST(StagedWeights, TheAuthorsNamesAreKnown) {
  TensorMap swins, convnexts;
  for (const auto& [name, t] : named_weights(*make(swin("conv")))) {
    std::string old = name;
    if (const size_t at = old.find(".downsample."); at != std::string::npos) old[at - 1] = static_cast<char>(old[at - 1] - 1);
    swins[old] = t;
  }
  swins["layers.0.blocks.0.attn.relative_position_index"] = swins["layers.1.blocks.1.attn_mask"] = at::zeros({9, 9});
  ImportTarget target;
  target.img_size = {28, 36};
  const ImportedWeights swin_back = convert_state_dict(swins, target);
  EXPECT_EQ(swin_back.origin, "ctranspath");
  EXPECT_EQ(swin_back.dropped.size(), 2u);
  load_weights(*make_backbone(swin_back.model), swin_back.weights);

  const std::vector<std::pair<std::string, std::string>> words = {
      {"stem.", "downsample_layers.0."}, {"head.norm.", "norm."}, {"conv_dw", "dwconv"}, {"mlp.fc", "pwconv"}, {".blocks.", "."}};
  for (const auto& [name, t] : named_weights(*make(convnext()))) {
    std::string old = name;
    if (old.find(".downsample.") != std::string::npos) old = "downsample_layers." + old.substr(7, 1) + "." + old.substr(20);
    for (const auto& [ours, word] : words)
      if (const size_t at = old.find(ours); at != std::string::npos && (ours != "stem." || at == 0)) old.replace(at, ours.size(), word);
    convnexts[old] = t;
  }
  const ImportedWeights back = convert_state_dict(convnexts);
  EXPECT_EQ(back.origin, "convnext");
  load_weights(*make_backbone(back.model), back.weights);
}

TEST(StagedWeights, GoThroughAnEncoderFolder) {
  const TemporaryFolder folder;
  for (const Family& f : families()) {
    EncoderSpec spec;
    spec.model = f.model;
    const auto model = make(f.model);
    write_encoder(folder / "out", spec, named_weights(*model), "eosin");
    Encoder back = load_encoder(folder / "out");
    const Tensor images = at::randn({2, 3, f.size[0], f.size[1]});
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(back.embed(images).equal(model->forward(images))) << family_of(f.model);
    const auto started = make(f.model, 9);
    load_pretrained(*started, folder / "out");
    EXPECT_TRUE(started->forward(images).equal(model->forward(images)));
    EXPECT_THAT(message_of([&] { write_encoder(folder / "no", spec, named_weights(*model), "hf"); }, ErrorKind::Config),
                HasSubstr("vision transformers"));
    EXPECT_THAT(message_of([&] { write_encoder(folder / "no", spec, named_weights(*model), "timm"); }, ErrorKind::Config), HasSubstr("format=eosin"));
  }
  const auto other = make(resnet("basic"));
  EXPECT_THAT(message_of([&] { load_pretrained(*other, folder / "out"); }, ErrorKind::Data), HasSubstr("holds a swin (need a resnet)"));
}

TEST(Backbones, RowsSayTheirSizes) {
  const std::map<std::string, std::pair<int64_t, int64_t>> known = {// parameters as timm counts them without classifier, feature width
                                                                    {"resnet18", {11176512, 512}},
                                                                    {"resnet50", {23508032, 2048}},
                                                                    {"convnext_tiny", {27820128, 768}},
                                                                    {"swin_tiny", {27519354, 768}}};
  for (const auto& [name, wanted] : known) {
    BackboneConfig config;
    config.name = name;
    const ModelConfig model = make_model_config(config);
    int64_t parameters = 0;
    for (const Tensor& p : make_backbone(model)->parameters()) parameters += p.numel();
    EXPECT_EQ(parameters, wanted.first) << name;
    EXPECT_EQ(feature_dim(model), wanted.second) << name;
  }
}

TEST(Backbones, ConfigsThatCannotWork) {
  const auto problems = [](const std::vector<std::string>& words) {
    config::Source source;
    for (const auto& w : words) source.override_with(w);
    BackboneConfig config;
    return message_of([&] { config::read(source, config); }, ErrorKind::Config);
  };
  EXPECT_THAT(problems({"name=resnet50", "reg_tokens=4"}), HasSubstr("reg_tokens: resnet50 is a resnet and has none"));
  EXPECT_THAT(problems({"name=resnet50", "drop_path_rate=0.2"}), HasSubstr("drop_path_rate: resnet50 is a resnet and has none"));
  EXPECT_THAT(problems({"name=convnext_tiny", "image_size_px=30"}), HasSubstr("nearest: 28 or 32"));
  EXPECT_THAT(problems({"name=convnext_tiny", "image_size_px=28"}), HasSubstr("need at least 32"));
  EXPECT_THAT(problems({"name=swin_tiny", "rope.enabled=true"}), HasSubstr("swin_tiny is a swin and has none"));
}

TEST(Backbones, BadInputNamesBothNumbers) {
  const auto net = make(convnext()), windows = make(swin());
  const auto fails = [](const std::shared_ptr<Backbone>& m, const Tensor& x) { return message_of([&] { m->forward(x); }, ErrorKind::Shape); };
  EXPECT_THAT(fails(net, at::randn({2, 3, 31, 32})), HasSubstr("at least 32 that are multiples of 4"));
  EXPECT_THAT(fails(windows, at::randn({2, 3, 28, 30})), HasSubstr("nearest: 28 or 32"));
  EXPECT_THAT(fails(net, at::randn({2, 1, 32, 32})), HasSubstr("need [B, 3, H, W]"));
  EXPECT_THAT(fails(net, at::randn({0, 3, 32, 32})), HasSubstr("0 images"));
  SwinConfig odd = swin();
  odd.num_heads = {3, 1, 4, 2};
  EXPECT_THAT(message_of([&] { make_backbone(odd); }, ErrorKind::Config), HasSubstr("does not divide among 3 heads"));
  const ModelConfig model = resnet("basic");
  EXPECT_THAT(message_of([&] { vit_of(model); }, ErrorKind::Config), HasSubstr("got a resnet"));
  EXPECT_THAT(message_of([&] { model_config_from_json(nlohmann::json{{"vit2", 1}}, "here"); }, ErrorKind::Data), HasSubstr("no family"));
}

}  // namespace
}  // namespace eosin::nn
