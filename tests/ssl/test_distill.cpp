#include "core/nn/vit.h"
#include "data/feature_layout.h"
#include "ssl/distill.h"
#include "ssl/methods.h"
#include "tests/collected_problems.h"
#include "tests/data/store_fixture.h"
#include "tests/ssl/joint_fixture.h"
#include "tests/temporary_folder.h"

#include <nlohmann/json.hpp>

namespace eosin::ssl {
namespace {

using testing::HasSubstr;

nn::EncoderSpec teacher_spec(int64_t width, int64_t image = 10) {
  nn::EncoderSpec spec = small_encoder();
  spec.vit().img_size = {image, image};
  spec.vit().embed_dim = width;
  spec.vit().mlp_hidden = 2 * width;
  spec.mean = {0.5, 0.4, 0.3}, spec.std = {0.5, 0.25, 0.2};
  return spec;
}

MakeMethod distill_maker(const DistillConfig& config, const data::TileStore* store = nullptr) {
  return [config, store](const std::shared_ptr<Comm>& comm, double drop_path) {
    auto method = std::make_unique<Distill>(config, small_encoder(drop_path), 11, comm, store);
    method->to(at::kDouble);
    method->train();
    return method;
  };
}

/// Exported encoders of widths 8 and 20.
class DistillTest : public testing::Test {
 protected:
  void SetUp() override {
    write("narrow", 8, 1);
    write("wide", 20, 2);
  }
  void write(const std::string& name, int64_t width, uint64_t seed) {
    const nn::EncoderSpec spec = teacher_spec(width);
    nn::Vit vit(spec.vit());
    vit->init_weights(seed);
    nn::write_encoder(folder / name, spec, nn::named_weights(*vit));
  }
  DistillConfig config() const {
    DistillConfig c;
    c.teachers = {folder / "narrow", folder / "wide"};
    c.patch_weights = {0.25, 0.5};
    c.patch_losses = {"cosine_smooth_l1", "kl"};
    c.image_sizes_px = {0, 20};
    c.bottleneck_dim = 6;
    return c;
  }
  void write_features(const std::string& name, int64_t rows, const std::string& hash) {
    data::SlideFeatures features;
    features.features_ND = at::randn({rows, 8}, at::detail::createCPUGenerator(5)) + 3;
    features.coords_N2 = at::zeros({rows, 2}, at::kLong);
    features.meta.name = "slide", features.meta.weights_sha256 = hash;
    data::write_features(folder / name, features);
  }
  TemporaryFolder folder;
};

TEST_F(DistillTest, TeachersSeeTheSamePictureInTheirOwnTerms) {
  DistillTeacher teacher = load_teacher(config(), 0, small_encoder());
  teacher.encoder.model->to(at::kDouble);
  const Tensor view = view_batch(1).views_BCHW[0];
  const nn::EncoderSpec student = small_encoder(), own = teacher_spec(8);
  const auto column = [](const std::vector<double>& v) { return at::tensor(v, at::kDouble).view({3, 1, 1}); };
  const Tensor pixels = view * column(student.std) + column(student.mean);
  const Tensor images = at::_upsample_bicubic2d_aa((pixels - column(own.mean)) / column(own.std), {10, 10}, false);
  const ClsAndPatches seen = teacher.see(view);
  const Tensor tokens = nn::as_vit(teacher.encoder.model)->forward_tokens(images);
  EXPECT_TRUE(seen.cls_BD.allclose(tokens.select(1, 0), 1e-9, 1e-10));
  EXPECT_TRUE(seen.patches_BND.allclose(tokens.slice(1, 1), 1e-9, 1e-10));
  EXPECT_EQ(seen.grid.count(), 4);
  EXPECT_FALSE(seen.cls_BD.requires_grad());
  EXPECT_EQ(load_teacher(config(), 1, small_encoder()).see(view.to(at::kFloat)).grid.rows, 4);
}

TEST_F(DistillTest, TwoRanksEqualOneAndResumeIsExact) {
  const MakeMethod make = distill_maker(config());
  expect_two_ranks_equal_one(make, view_batch(1, 6, 1));
  expect_resume_bit_for_bit(make, 1);
}

TEST_F(DistillTest, TrainsBackboneAndHeadsWithLengthsAndNothingElse) {
  const MakeMethod make = distill_maker(config());
  const auto method = make(make_single_comm(), 0);
  std::vector<std::string> names;
  for (const auto& group : method->param_groups()) names.insert(names.end(), group.names.begin(), group.names.end());
  EXPECT_THAT(names, testing::Contains("student.heads.1.last_layer.weight_g"));
  EXPECT_THAT(names, testing::Each(testing::StartsWith("student.")));
  EXPECT_EQ(method->state().tensors.size(), names.size());

  optim::AdamW adamw({}, method->param_groups());
  const data::ViewBatch batch = view_batch(1);
  const double first = step(*method, adamw, batch, 0);
  double last = first;
  for (int64_t k = 1; k < 30; ++k) last = step(*method, adamw, batch, k);
  EXPECT_LT(last, 0.5 * first);
  const auto parts = logged_parts(make);
  EXPECT_NEAR(parts.at("teacher0_cls") + parts.at("teacher0_patch") + parts.at("teacher1_cls") + parts.at("teacher1_patch"), parts.at("total"),
              1e-12);
}

TEST_F(DistillTest, AResumedRunNeedsTheSameTeachers) {
  const MakeMethod make = distill_maker(config());
  const auto method = make(make_single_comm(), 0);
  const State before{snapshot(*method), method->state().values};
  EXPECT_EQ(before.values["teachers"].size(), 2u);
  write("wide", 20, 3);
  const auto other = make(make_single_comm(), 0);
  EXPECT_THAT(message_of([&] { other->load_state(before); }, ErrorKind::Data), HasSubstr("has other weights than the run began with"));
}

TEST_F(DistillTest, PhiSIsFittedOnTheTeachersFeatures) {
  DistillConfig c = config();
  c.teachers.resize(1);
  c.patch_weights = {0.25}, c.patch_losses = {"cosine"}, c.image_sizes_px = {0};
  c.targets = {"phi_s"}, c.phi_s_features = {folder / "features.h5"};
  const std::string hash = nn::load_encoder(c.teachers[0]).weights_hash;
  write_features("features.h5", 79, hash);
  EXPECT_THAT(message_of([&] { load_teacher(c, 0, small_encoder()); }, ErrorKind::Data), HasSubstr("79 features (need at least 80"));
  write_features("features.h5", 90, std::string(64, 'a'));
  EXPECT_THAT(message_of([&] { load_teacher(c, 0, small_encoder()); }, ErrorKind::Data), HasSubstr("features of other weights"));
  write_features("features.h5", 90, hash);
  const DistillTeacher teacher = load_teacher(c, 0, small_encoder());
  const Tensor x = data::read_features(folder / "features.h5").features_ND.to(at::kDouble);
  EXPECT_TRUE(teacher.phi_s->apply(x).var(0, true).allclose(at::ones({8}, at::kDouble), 1e-6));
  EXPECT_EQ(distill_maker(c)(make_single_comm(), 0)->state().tensors.count("student.heads.0.mlp.weight"), 1u);
}

/// A store of three slides, and features of it as that teacher would give them: tile i's are i, i + 1, ...
class CachedDistillTest : public DistillTest {
 protected:
  CachedDistillTest() { data::write_store(folder / "tiles", {2, 3, 1}); }
  void cache(const std::string& hash, const std::string& transform = "resize 10 bicubic, centre crop 10, pooling auto") {
    const data::TileStore store(folder / "tiles");
    std::filesystem::create_directories(folder / "cache");
    for (const data::FeatureFile& file : data::feature_files(store, folder / "cache")) {
      data::SlideFeatures features;
      features.meta = file.meta;
      features.meta.weights_sha256 = hash, features.meta.transform = transform,
      features.meta.tiles_crc32c = data::tiles_checksum(store, file.indices);
      features.coords_N2 = data::tile_coords(store, file.indices);
      features.features_ND = (at::tensor(file.indices, at::kLong).view({-1, 1}) + at::arange(8)).to(at::kFloat);
      data::write_features(file.path, features);
    }
  }
  DistillConfig cached() const {
    DistillConfig c;
    c.teachers = {folder / "narrow"};
    c.patch_weights = {0}, c.cached_features = {folder / "cache"}, c.bottleneck_dim = 6;
    return c;
  }
};

TEST_F(CachedDistillTest, ACachedTeacherAnswersForTheTilesAndIsNotKept) {
  const data::TileStore store(folder / "tiles");
  cache(nn::load_encoder(folder / "narrow").weights_hash);
  DistillTeacher teacher = load_teacher(cached(), 0, small_encoder(), &store);
  EXPECT_EQ(teacher.encoder.model, nullptr);
  const Tensor seen = teacher.see(at::zeros({4, 3, 15, 15}, at::kDouble), {5, 2}).cls_BD;  // two views of two tiles
  EXPECT_EQ(seen.sizes().vec(), (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(seen.select(1, 0).equal(at::tensor({5.0, 2.0, 5.0, 2.0}, at::kDouble)), true);

  const MakeMethod make = distill_maker(cached(), &store);
  expect_two_ranks_equal_one(make, view_batch(1, 6, 1));
  expect_resume_bit_for_bit(make, 1);
}

TEST_F(CachedDistillTest, FeaturesThatAreNotTheTeachersAreRefused) {
  const data::TileStore store(folder / "tiles");
  const std::string hash = nn::load_encoder(folder / "narrow").weights_hash;
  const auto load = [&](const DistillConfig& c, const data::TileStore* of, ErrorKind kind) {
    return message_of([&] { load_teacher(c, 0, small_encoder(), of); }, kind);
  };
  cache(std::string(64, 'a'));
  EXPECT_THAT(load(cached(), &store, ErrorKind::Data), HasSubstr("holds features of other weights"));
  cache(hash);
  EXPECT_THAT(load(cached(), nullptr, ErrorKind::Config), HasSubstr("give one data.store"));
  cache(hash, "resize 10 bicubic, centre crop 10, pooling mean_patch");
  EXPECT_THAT(load(cached(), &store, ErrorKind::Data), HasSubstr("embed the store with pooling=cls"));
  cache(hash, "stain macenko, resize 10 bicubic, pooling auto");
  EXPECT_THAT(load(cached(), &store, ErrorKind::Config), HasSubstr("made of other pictures than whole tiles"));
  DistillConfig fixed = cached();
  fixed.fixed_targets = true;
  EXPECT_EQ(load_teacher(fixed, 0, small_encoder(), &store).cache->dim(), 8);
}

TEST_F(CachedDistillTest, ContradictionsAreNamedBeforeAnythingIsRead) {
  DistillConfig c = cached();
  c.patch_weights = {0.25}, c.image_sizes_px = {20};
  Collected some;
  c.validate(some);
  EXPECT_THAT(some.all, HasSubstr("patch_weights: cached features hold class tokens alone; set that of teacher 0 to 0"));
  EXPECT_THAT(some.all, HasSubstr("image_sizes_px: teacher 0 is not run"));
  c.cached_features = {"a", "b"};
  Collected count;
  c.validate(count);
  EXPECT_THAT(count.all, HasSubstr("cached_features: 2 folders for 1 teachers"));

  config::Choice method(method_table(), "distill");
  dynamic_cast<config::ConfigOf<DistillConfig>&>(method.config()).value = cached();
  RunShape run;
  run.view_changes = {"global", "flip"};
  Collected views, whole;
  check_run(method, run, views);
  EXPECT_THAT(views.all,
              HasSubstr("method.cached_features: the features are of whole tiles, and views differ from them by global, flip of data.crops"));
  run.view_changes.clear();
  check_run(method, run, whole);
  EXPECT_EQ(whole.all, "");
}

TEST_F(DistillTest, ListsThatDoNotFitTheTeachers) {
  DistillConfig c = config();
  c.cls_weights = {1, 2, 3};
  c.means = {0.5, 0.5};
  c.targets = {"raw", "phi_s"};
  Collected some, none;
  c.validate(some);
  EXPECT_THAT(some.all, HasSubstr("cls_weights: 3 values for 2 teachers (need 1 for each, or 1 for all)"));
  EXPECT_THAT(some.all, HasSubstr("means: 2 values for 2 teachers (need 3 for each, or 3 for all)"));
  EXPECT_THAT(some.all, HasSubstr("phi_s_features: 0 values"));
  config().validate(none);
  EXPECT_EQ(none.all, "");
  Collected empty;
  DistillConfig{}.validate(empty);
  EXPECT_THAT(empty.all, HasSubstr("teachers: no teacher is given"));
}

TEST_F(DistillTest, AnImageSizeThatATeacherCannotTake) {
  DistillConfig c = config();
  c.image_sizes_px = {12};
  EXPECT_THAT(message_of([&] { load_teacher(c, 0, small_encoder()); }, ErrorKind::Config),
              HasSubstr("12 is not a multiple of 5, as the teacher needs"));
  c.teachers = {folder / "nobody"};
  EXPECT_THAT(message_of([&] { load_teacher(c, 0, small_encoder()); }, ErrorKind::Io), HasSubstr("no such file or folder"));
}

TEST(JointMethods, RunsThatCannotWorkAreNamed) {
  for (const char* name : {"simclr", "byol", "moco_v3", "barlow_twins", "vicreg", "msn"}) {
    const config::Choice method(method_table(), name);
    RunShape run;
    run.patch_size = 16, run.steps = 10, run.batch = 1, run.crop_sizes = {96};
    Collected some;
    check_run(method, run, some);
    EXPECT_THAT(some.all, HasSubstr(std::string("train.batch_size: a micro-step of 1 sample is too small for ") + name));
    EXPECT_THAT(some.all, HasSubstr(std::string(name) + " needs two global crops of one size"));
    run.batch = 2, run.crop_sizes = {96, 96};
    Collected none;
    check_run(method, run, none);
    EXPECT_EQ(none.all, "") << name;
    run.crop_sizes = {96, 96, 48};
    Collected local;
    check_run(method, run, local);
    EXPECT_EQ(local.all.empty(), std::string(name) == "msn") << local.all;
  }
}

}  // namespace
}  // namespace eosin::ssl
