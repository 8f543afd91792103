#include "core/base/error.h"
#include "core/nn/encoder.h"
#include "core/nn/vit.h"
#include "core/tensor/checkpoint.h"
#include "core/tensor/safetensors.h"
#include "tests/message_of.h"
#include "tests/tensor/torch_archive_bytes.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace eosin::nn {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class EncoderFiles : public testing::Test {
 protected:
  EncoderFiles()
      : folder_(fs::temp_directory_path() /
                (std::string("eosin-encoder-") + testing::UnitTest::GetInstance()->current_test_info()->name() + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    spec_.vit().img_size = {35, 21};
    spec_.vit().patch_size = 7;
    spec_.vit().embed_dim = 34;
    spec_.vit().depth = 3;
    spec_.vit().num_heads = 2;
    spec_.vit().mlp_hidden = 19;
    spec_.mean = {0.7, 0.6, 0.5};
    spec_.vit().pos_offset = 0.1;
    spec_.vit().pos_antialias = false;
  }
  ~EncoderFiles() override { fs::remove_all(folder_); }

  Vit model() const {
    Vit vit(spec_.vit());
    vit->init_weights(7);
    return vit;
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
  EncoderSpec spec_;
};

TEST_F(EncoderFiles, ComeBackBitForBitInEitherFormat) {
  Vit original = model();
  const Tensor images = at::randn({2, 3, 35, 21}), larger = at::randn({2, 3, 42, 28});
  const at::NoGradGuard no_grad;
  for (const char* format : {"timm", "dinov2"}) {
    write_encoder(path(format), spec_, named_weights(*original), format);
    Encoder back = load_encoder(path(format));
    EXPECT_TRUE(back.embed(images).equal(original->forward(images))) << format;
    EXPECT_TRUE(back.embed(larger).equal(original->forward(larger))) << format;
    EXPECT_EQ(back.spec.mean, spec_.mean);
    EXPECT_EQ(back.weights_hash, weights_hash(named_weights(*original)));
  }
}

TEST_F(EncoderFiles, TimmConfigNamesArchitectureAndSizes) {
  write_encoder(path("out"), spec_, named_weights(*model()));
  const auto json = nlohmann::json::parse(std::ifstream(path("out/config.json")));
  EXPECT_EQ(json["architecture"], "vit_tiny_patch16_224");
  EXPECT_EQ(json["num_classes"], 0);
  EXPECT_EQ(json["model_args"]["img_size"], (std::vector<int64_t>{35, 21}));
  EXPECT_EQ(static_cast<int64_t>(34 * json["model_args"]["mlp_ratio"].get<double>()), 19);
  EXPECT_EQ(json["pretrained_cfg"]["mean"], spec_.mean);
}

TEST_F(EncoderFiles, RunFolderHoldsTeacherAndStudent) {
  Vit original = model();
  State objective, task, all;
  for (const auto& [name, t] : named_weights(*original)) {
    objective.tensors["teacher.backbone." + name] = t.detach();
    objective.tensors["student.backbone." + name] = t.detach() + 1;
  }
  objective.tensors["teacher.head.mlp.0.weight"] = at::zeros({3});
  objective.values["encoder"] = to_json(spec_);
  task.add("objective", objective);
  all.add("task", task);
  fs::create_directories(path("run/checkpoints"));
  EXPECT_THAT(message_of([&] { load_encoder(path("run")); }, ErrorKind::Data), HasSubstr("no checkpoint yet"));
  save_checkpoint(path("run/checkpoints"), 7, all);
  Encoder teacher = load_encoder(path("run"));
  EXPECT_EQ(teacher.weights_hash, weights_hash(named_weights(*original)));
  EXPECT_EQ(teacher.spec.mean, spec_.mean);
  EXPECT_NE(load_encoder(checkpoint_path(path("run/checkpoints"), 7), {"student", {}}).weights_hash, teacher.weights_hash);
  EXPECT_THAT(message_of([&] { load_encoder(path("run"), {"mentor", {}}); }, ErrorKind::Config), HasSubstr("mentor"));
}

TEST_F(EncoderFiles, ARunOfOneNetworkNeedsNoFlag) {
  State objective, task, all;
  for (const auto& [name, t] : named_weights(*model())) objective.tensors["student.backbone." + name] = t.detach();
  objective.values["encoder"] = to_json(spec_);
  task.add("objective", objective);
  all.add("task", task);
  save_checkpoint(path("run/checkpoints"), 7, all);
  EXPECT_EQ(load_encoder(path("run")).weights_hash, weights_hash(named_weights(*model())));
  EncoderSource teacher;
  teacher.network = "teacher";
  EXPECT_THAT(message_of([&] { load_encoder(path("run"), teacher); }, ErrorKind::Config), HasSubstr("holds no teacher"));
  EncoderSource named;
  named.preset = "uni";
  EXPECT_THAT(message_of([&] { load_encoder(path("run"), named); }, ErrorKind::Config), HasSubstr("leave out preset=uni"));
}

/// It belongs to the training: timm's models have none, and a model that wants one starts without it.
TEST_F(EncoderFiles, TheMaskTokenStaysBehind) {
  EncoderSpec masked = spec_;
  masked.vit().mask_token = true;
  Vit vit(masked.vit());
  vit->init_weights(7);
  write_encoder(path("out"), masked, named_weights(*vit));
  EXPECT_EQ(read_safetensors(path("out/model.safetensors")).tensors.count("mask_token"), 0u);
  Vit started(masked.vit()), plain = model();
  load_pretrained(*started, path("out"));
  load_pretrained(*plain, path("out"));
  EXPECT_TRUE(named_weights(*started).at("norm.weight").equal(named_weights(*plain).at("norm.weight")));
}

TEST_F(EncoderFiles, EveryLibraryThatCanSayAModelGivesItBack) {
  struct Kind {
    const char* format;
    int64_t registers;
    bool scaled, gated, rotary;
  };
  for (const Kind& kind :
       {Kind{"hf", 0, false, false, false}, Kind{"hf", 0, true, true, false}, Kind{"hf", 3, true, false, false}, Kind{"hf", 2, true, true, true},
        Kind{"hf", 0, true, false, true}, Kind{"dinov3", 2, true, true, true}, Kind{"dinov3", 0, false, false, true}}) {
    EncoderSpec spec = spec_;
    VitConfig& vit = spec.vit();
    vit.embed_dim = 24;
    vit.mlp_hidden = 16;
    vit.reg_tokens = kind.registers;
    if (kind.registers > 0) vit.pos_embed_covers = "patches";
    if (kind.scaled) vit.init_values = 1e-5;
    vit.ffn = kind.gated ? "swiglu" : "mlp";
    vit.rope.enabled = vit.zero_k_bias = kind.rotary;
    if (kind.rotary) vit.pos_embed_covers = "none";
    vit.global_pool = "token_avg";
    spec.image_size_px = 14;
    Vit original(vit);
    original->init_weights(7);
    const at::NoGradGuard no_grad;
    write_encoder(path("lib"), spec, named_weights(*original), kind.format);
    Encoder back = load_encoder(path("lib"));
    for (const Tensor& images : {at::randn({2, 3, 35, 21}), at::randn({2, 3, 42, 28})})
      EXPECT_TRUE(back.embed(images).equal(original->forward(images))) << kind.format << " " << kind.registers << kind.scaled << kind.rotary;
    EXPECT_EQ(back.spec.mean, spec.mean);
    EXPECT_EQ(back.spec.vit().img_size, vit.img_size);
    EXPECT_EQ(back.spec.shown_size(), (std::vector<int64_t>{14, 14}));
    fs::remove_all(path("lib"));
  }
  EncoderSpec odd = spec_;
  odd.vit().norm_eps = 1e-12;
  EXPECT_EQ(format_for(odd.vit()), "hf");
  EXPECT_THAT(message_of([&] { write_encoder(path("x"), odd, named_weights(*model())); }, ErrorKind::Config), HasSubstr("format=hf"));
  odd.vit().qk_norm = true;
  EXPECT_THAT(message_of([&] { write_encoder(path("x"), odd, {}, "hf"); }, ErrorKind::Config), HasSubstr("qk_norm"));
}

TEST_F(EncoderFiles, MergesTokensWhenAsked) {
  Vit original = model();
  write_encoder(path("out"), spec_, named_weights(*original));
  EncoderSource source;
  source.token_merge.method = "tome";
  source.token_merge.r = 2;
  Encoder merging = load_encoder(path("out"), source);
  EXPECT_EQ(vit_of(merging.model->description()).token_merge.r, 2);
  EXPECT_EQ(merging.weights_hash, weights_hash(named_weights(*original)));
}

TEST_F(EncoderFiles, PretrainedWeightsAreResizedToTheModel) {
  write_encoder(path("out"), spec_, named_weights(*model()));
  VitConfig larger = spec_.vit();
  larger.img_size = {28, 28};
  Vit vit(larger);
  load_pretrained(*vit, path("out"));
  EXPECT_TRUE(named_weights(*vit).at("norm.weight").equal(named_weights(*model()).at("norm.weight")));
  larger.depth = 4;
  Vit deeper(larger);
  EXPECT_THAT(message_of([&] { load_pretrained(*deeper, path("out")); }, ErrorKind::Data), HasSubstr("missing [blocks.3."));
}

TEST_F(EncoderFiles, AFlippedBitInAnExportIsNamed) {
  for (const char* format : {"timm", "dinov2"}) {
    write_encoder(path(format), spec_, named_weights(*model()), format);
    const std::string file = path(format) + "/model.safetensors";
    {
      std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
      f.seekg(-1, std::ios::end);
      const char byte = static_cast<char>(f.get());
      f.seekp(-1, std::ios::end);
      f.put(static_cast<char>(byte ^ 1));
    }
    EXPECT_THAT(message_of([&] { load_encoder(path(format)); }, ErrorKind::Data), HasSubstr(file + " is damaged"));
    write_safetensors(file, read_safetensors(file).tensors);  // a file of others carries no hash
    EXPECT_NO_THROW(load_encoder(path(format)));
  }
}

/// One dictionary of a checkpoint as a pickle, and the bytes of its storages.
struct PickledWeights {
  std::string items;
  std::vector<ZipEntry> records;

  void add(const std::string& dictionary, const TensorMap& weights, const std::string& prefix = "") {
    std::string inner;
    for (const auto& [name, t] : weights) {
      const Tensor dense = t.detach().contiguous();
      const auto sizes = dense.sizes().vec(), strides = dense.strides().vec();
      const std::string key = std::to_string(records.size());
      records.push_back({key, {static_cast<const char*>(dense.const_data_ptr()), dense.nbytes()}});
      inner += pickled::text(prefix + name) +
               pickled::tensor(
                   {key, "FloatStorage", static_cast<int32_t>(dense.numel()), 0, {sizes.begin(), sizes.end()}, {strides.begin(), strides.end()}});
    }
    items += pickled::text(dictionary) + pickled::dict(inner);
  }
  void write(const std::string& path) const { std::ofstream(path, std::ios::binary) << torch_archive(pickled::dict(items), records); }
};

TEST_F(EncoderFiles, TorchCheckpointsAreSearchedForTheEncoder) {
  const TensorMap teacher = named_weights(*model());
  TensorMap student;
  for (const auto& [name, t] : teacher) student.emplace(name, t.detach() + 1);
  EncoderSource source;
  source.target.num_heads = 2;
  source.target.source_size = {35, 21};
  PickledWeights dino;
  dino.add("student", student, "module.backbone.");
  dino.add("teacher", teacher, "backbone.");
  dino.add("optimizer", {{"0", at::ones({3})}});
  dino.write(path("dino.pth"));
  EncoderWeights found = read_encoder(path("dino.pth"), source);
  EXPECT_EQ(found.origin, "dino");
  EXPECT_EQ(weights_hash(found.weights), weights_hash(teacher));
  source.network = "student";
  EXPECT_EQ(weights_hash(read_encoder(path("dino.pth"), source).weights), weights_hash(student));

  PickledWeights flat;  // DINOv2's training checkpoints
  TensorMap both;
  for (const auto& [name, t] : teacher) both.emplace("teacher.backbone." + name, t), both.emplace("student.backbone." + name, student.at(name));
  flat.add("model", both);
  flat.write(path("dinov2.pth"));
  EXPECT_EQ(weights_hash(read_encoder(path("dinov2.pth"), source).weights), weights_hash(student));
  source.network = "teacher";
  EXPECT_EQ(weights_hash(read_encoder(path("dinov2.pth"), source).weights), weights_hash(teacher));

  PickledWeights timm;
  timm.add("state_dict", teacher);
  timm.add("state_dict_ema", student);
  timm.write(path("timm.pth"));
  EXPECT_THAT(message_of([&] { read_encoder(path("timm.pth"), source); }, ErrorKind::Config),
              HasSubstr("'state_dict' (42 tensors), 'state_dict_ema'"));
  source.key = "state_dict_ema";
  EXPECT_EQ(weights_hash(read_encoder(path("timm.pth"), source).weights), weights_hash(student));
  source.key = "state_dct";
  EXPECT_THAT(message_of([&] { read_encoder(path("timm.pth"), source); }, ErrorKind::Config), HasSubstr("did you mean 'state_dict'?"));
  write_encoder(path("out"), spec_, teacher);
  EXPECT_THAT(message_of([&] { read_encoder(path("out"), source); }, ErrorKind::Config), HasSubstr("torch.save"));

  PickledWeights other;
  other.add("model", {{"conv1.weight", at::ones({3})}});
  other.add("head", {{"weight", at::ones({3})}});
  other.write(path("other.pth"));
  source.key.clear();
  EXPECT_THAT(message_of([&] { read_encoder(path("other.pth"), source); }, ErrorKind::Data), HasSubstr("holds no encoder of a known kind"));
}

TEST_F(EncoderFiles, BadPathsAndFilesAreNamed) {
  EXPECT_THAT(message_of([&] { load_encoder(path("none")); }, ErrorKind::Io), HasSubstr("none"));
  EXPECT_THAT(message_of([&] { load_encoder(folder_.string()); }, ErrorKind::Data), HasSubstr("neither"));
  std::ofstream(path("vit.pth")) << "pickle";
  EXPECT_THAT(message_of([&] { load_encoder(path("vit.pth")); }, ErrorKind::Data), HasSubstr("no file of torch.save"));
  write_encoder(path("out"), spec_, named_weights(*model()));
  std::ofstream(path("out/config.json")) << "{";
  EXPECT_THAT(message_of([&] { load_encoder(path("out")); }, ErrorKind::Data), HasSubstr("not JSON"));
  std::ofstream(path("out/config.json")) << "{\"architecture\": \"vit_tiny_patch16_224\", \"model_args\": {\"img_size\": \"big\"}}";
  EXPECT_THAT(message_of([&] { load_encoder(path("out")); }, ErrorKind::Data), HasSubstr("config.json"));
  EXPECT_THAT(message_of([&] { write_encoder(path("x"), spec_, {}, "onnx"); }, ErrorKind::Config), HasSubstr("onnx"));
}

}  // namespace
}  // namespace eosin::nn
