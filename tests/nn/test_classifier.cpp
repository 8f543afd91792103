#include "core/nn/classifier.h"

#include "core/nn/vit.h"
#include "core/nn/weights.h"
#include "core/tensor/safetensors.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::nn {
namespace {

using testing::HasSubstr;

/// Files of a transformer of width 12 with a head of 5 classes, under timm's names.
class ClassifierFiles : public testing::Test {
 protected:
  TensorMap weights(int64_t reg_tokens = 0) {
    VitConfig config;
    config.img_size = {15, 15}, config.patch_size = 5, config.embed_dim = 12, config.depth = 1, config.num_heads = 2, config.mlp_hidden = 7;
    config.reg_tokens = reg_tokens;
    vit = Vit(config);
    vit->init_weights(3);
    TensorMap map;
    for (const auto& [name, t] : named_weights(*vit)) map.emplace(name, t.detach().clone());
    return map;
  }
  Classifier load(const TensorMap& map) {
    write_safetensors(folder / "model.safetensors", map, {});
    EncoderSource source;
    source.target.num_heads = 2;
    return load_classifier(folder / "model.safetensors", source);
  }
  static Tensor random(uint64_t seed, std::vector<int64_t> shape) { return at::randn(shape, at::detail::createCPUGenerator(seed)); }
  Vit vit{nullptr};
  TemporaryFolder folder;
};

TEST_F(ClassifierFiles, HeadsOfEveryLibraryAreTimms) {
  const Tensor weight = random(1, {5, 12}), bias = random(2, {5}), images = random(3, {2, 3, 15, 15});
  std::string hash;
  for (const std::string name : {"head", "classifier"}) {
    TensorMap map = weights();
    map[name + ".weight"] = weight, map[name + ".bias"] = bias;
    Classifier classifier = load(map);
    EXPECT_EQ(classifier.n_classes(), 5);
    EXPECT_TRUE(classifier.classes.empty());
    EXPECT_TRUE(classifier.logits(images).allclose(at::linear(vit->forward(images), weight, bias))) << name;
    EXPECT_TRUE(hash.empty() || hash == classifier.weights_hash);
    hash = classifier.weights_hash;
  }
  TensorMap other = weights();
  other["head.weight"] = weight + 1, other["head.bias"] = bias;
  EXPECT_NE(load(other).weights_hash, hash);
}

TEST_F(ClassifierFiles, ADistillationTokensHeadIsAveraged) {
  TensorMap map = weights(1);
  const Tensor a = random(1, {5, 12}), b = random(2, {5, 12}), images = random(3, {2, 3, 15, 15});
  map["head.weight"] = a, map["head_dist.weight"] = b;
  Classifier classifier = load(map);
  const Tensor tokens = vit->forward_tokens(images);
  EXPECT_TRUE(classifier.logits(images).allclose((at::linear(tokens.select(1, 0), a) + at::linear(tokens.select(1, 1), b)) / 2, 1e-4, 1e-5));
}

TEST_F(ClassifierFiles, WhatIsNoClassifierIsNamed) {
  EXPECT_THAT(message_of([&] { load(weights()); }, ErrorKind::Data), HasSubstr("an encoder without a classification head"));
  TensorMap wide = weights();
  wide["head.weight"] = random(1, {5, 24});
  EXPECT_THAT(message_of([&] { load(wide); }, ErrorKind::Data), HasSubstr("has the shape [5, 24] (need [classes, 12])"));
  TensorMap bias = weights();
  bias["head.weight"] = random(1, {5, 12}), bias["head.bias"] = random(1, {4});
  EXPECT_THAT(message_of([&] { load(bias); }, ErrorKind::Data), HasSubstr("has 4 numbers (need 5)"));
  TensorMap token = weights();
  token["head.weight"] = random(1, {5, 12}), token["head_dist.weight"] = random(2, {5, 12});
  EXPECT_THAT(message_of([&] { load(token); }, ErrorKind::Data), HasSubstr("needs a distillation token"));
}

}  // namespace
}  // namespace eosin::nn
