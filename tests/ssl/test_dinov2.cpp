#include "core/base/error.h"
#include "ssl/dinov2.h"
#include "ssl/gram.h"
#include "ssl/ibot_loss.h"
#include "ssl/methods.h"
#include "tests/collected_problems.h"
#include "tests/gradcheck.h"
#include "tests/ssl/plain_losses.h"
#include "tests/ssl/tiny_run.h"
#include "tests/thread_ranks.h"

#include <gmock/gmock.h>

#include <numeric>

namespace eosin::ssl {
namespace {

using namespace tiny;
using testing::ElementsAre;
using testing::HasSubstr;

Dinov2Config config() {
  Dinov2Config c;
  c.n_prototypes = 17;
  c.hidden_dim = 13;
  c.bottleneck_dim = 7;
  c.momentum = 0.9;
  c.mask_ratio = {0.2, 0.6};
  return c;
}

std::unique_ptr<Dinov2> make(const Dinov2Config& c = config(), double drop_path = 0, std::shared_ptr<Comm> comm = make_single_comm()) {
  auto method = std::make_unique<Dinov2>(c, encoder(drop_path), 11, std::move(comm));
  method->to(at::kDouble);
  return method;
}

TEST(Dinov2Loss, IsTheSumOverAllPairs) {
  const Tensor student = at::randn({3 * 4, 5}, at::kDouble), targets = at::softmax(at::randn({2 * 4, 5}, at::kDouble), -1);
  const auto loss = [&](const Tensor& rows, int64_t teacher_crops) {
    return dinov2_loss(rows, plain::identity(rows), plain::as_targets(targets), 3, teacher_crops, 0.2);
  };
  EXPECT_NEAR(loss(student, 2).item<double>(), plain::dinov2_loss(student, targets, 3, 2, 0.2).item<double>(), 1e-12);
  EXPECT_THROW(loss(student, 3), Error);
  EXPECT_THROW(loss(student.narrow(0, 0, 11), 2), Error);
}

TEST(Dinov2Loss, Gradients) {
  const Tensor student = at::randn({3 * 2, 5}, at::kDouble).requires_grad_(), targets = at::softmax(at::randn({2 * 2, 5}, at::kDouble), -1);
  const auto loss = [&] { return dinov2_loss(student, plain::identity(student), plain::as_targets(targets), 3, 2, 0.5); };
  expect_gradients(loss, {{"student", student}}, 30);
}

TEST(Dinov2, PartsAddUpToTheTotal) {
  Dinov2Config c = config();
  c.kde_weight = 0.3, c.ibot_weight = 0.7, c.dino_weight = 0.9;
  train::Progress p = at_step(0);
  p.log_step = true;
  const train::Loss loss = make(c)->forward(batch(1), p);
  double sum = 0;
  for (const char* name : {"dino_local", "dino_global", "ibot", "koleo", "kde"}) sum += part_of(loss, name);
  EXPECT_NEAR(sum, loss.total.item<double>(), 1e-12);
  EXPECT_EQ(part_of(loss, "koleo_left_out"), 0);
  EXPECT_GT(part_of(loss, "teacher_entropy"), 0);
}

TEST(Dinov2, GradientsOfTheWholeObjective) {
  for (const bool separate : {false, true}) {
    Dinov2Config c = config();
    c.separate_heads = separate, c.norm_last_layer = false, c.kde_weight = 0.1, c.gram_weight = 0.5, c.centering = "centering";
    c.student_temp = 0.5;
    auto method = make(c);
    {
      const at::NoGradGuard no_grad;  // initial heads are so near zero that differences of any size are rough
      for (Tensor& p : method->parameters()) p.add_(at::randn_like(p) * 0.3);
    }
    const data::ViewBatch views = batch(2, 2, 2, 1);
    std::vector<std::pair<std::string, Tensor>> leaves;
    for (const auto& item : method->named_parameters())
      if (item.key().find("qkv.bias") == std::string::npos && item.value().requires_grad()) leaves.emplace_back(item.key(), item.value());
    expect_gradients([&] { return method->forward(views, at_step(0)).total; }, leaves, 2, 1e-5);
  }
}

TEST(Dinov2, GramAnchorsToACopyOfTheTeacherThatIsRefreshed) {
  Dinov2Config c = config();
  c.gram_weight = 2, c.gram_start_step = 2, c.gram_refresh_steps = 2;
  auto method = make(c);
  optim::AdamW adamw({}, method->param_groups());
  adamw.add_averages(method->averages());
  const std::string name = "blocks.0.mlp.fc1.weight";
  std::vector<bool> fresh;
  for (int64_t k = 0; k < 5; ++k) {
    const Tensor teacher = snapshot(*method).at("teacher.backbone." + name);
    const data::ViewBatch views = batch(static_cast<uint64_t>(k));
    EXPECT_EQ(method->forward(views, at_step(k)).parts.back().first == "gram", k >= 2) << k;
    fresh.push_back(k > 0 && snapshot(*method).at("gram_teacher." + name).equal(teacher));
    step(*method, adamw, k, views);
  }
  EXPECT_THAT(fresh, ElementsAre(false, false, true, false, true));
  EXPECT_EQ(snapshot(*make()).count("gram_teacher." + name), 0u);
}

/// The Gram teacher's tokens of undistorted crops of twice the size are brought to the student's grid; without any it sees the crops themselves.
TEST(Dinov2, GramTeacherSeesUndistortedCrops) {
  Dinov2Config c = config();
  c.gram_weight = 2;
  auto method = make(c);
  data::ViewBatch views = batch(1);
  const double plain = part_of(method->forward(views, at_step(0)), "gram");
  for (int64_t v = 0; v < 2; ++v) views.undistorted_BCHW.push_back(at::randn({3, 3, 2 * kGlobalPx, 2 * kGlobalPx}, at::kDouble));
  const double large = part_of(method->forward(views, at_step(0)), "gram");
  EXPECT_NE(large, plain);

  const at::NoGradGuard no_grad;
  nn::Vit teacher(encoder().vit());
  teacher->to(at::kDouble);
  for (auto& item : teacher->named_parameters()) item.value().copy_(snapshot(*method).at("gram_teacher." + item.key()));
  const Tensor tokens = teacher->patch_tokens(teacher->forward_tokens(at::cat(views.undistorted_BCHW)));
  const Tensor grid = at::upsample_bicubic2d(tokens.transpose(1, 2).reshape({6, 12, 6, 6}), {3, 3}, false).flatten(2).transpose(1, 2);
  views.masks_BN = at::zeros({6, kPatches}, at::kBool);  // the student sees what a plain pass does
  const Tensor student = teacher->patch_tokens(teacher->forward_tokens(at::cat({views.views_BCHW[0], views.views_BCHW[1]})));
  EXPECT_NEAR(part_of(method->forward(views, at_step(0)), "gram"), 2 * gram_loss(student, grid).item<double>(), 1e-10);
}

TEST(Dinov2, PlainHeadsHavePrototypesOfFreeLength) {
  Dinov2Config c = config();
  c.plain_heads = true, c.separate_heads = true;
  auto method = make(c);
  const TensorMap state = snapshot(*method);
  for (const std::string head : {"dino_head", "ibot_head"}) {
    EXPECT_EQ(state.at("student." + head + ".last_layer.weight").sizes(), (std::vector<int64_t>{17, 7}));
    EXPECT_EQ(state.count("student." + head + ".last_layer.weight_v"), 0u);
  }
  optim::AdamW adamw({}, method->param_groups());
  step(*method, adamw, 0, batch(1));
  EXPECT_FALSE(snapshot(*method).at("student.dino_head.last_layer.weight").equal(state.at("student.dino_head.last_layer.weight")));
}

TEST(Dinov2, TeacherGetsNoGradientAndStartsAsTheStudent) {
  auto method = make();
  const TensorMap start = snapshot(*method);
  method->forward(batch(1), at_step(0)).total.backward();
  for (const auto& item : method->named_parameters()) {
    const bool teacher = item.key().rfind("teacher.", 0) == 0, frozen = item.key() == "student.dino_head.last_layer.weight_g";
    EXPECT_EQ(item.value().grad().defined(), !teacher && !frozen) << item.key();
    if (teacher) EXPECT_TRUE(item.value().equal(start.at("student." + item.key().substr(8)))) << item.key();
  }
}

TEST(Dinov2, KdeIsTheMeanLogDensityOfEachGlobalCrop) {
  Dinov2Config c = config();
  c.kde_weight = 0.3, c.kde_kappa = 2;
  auto method = make(c);
  data::ViewBatch views = batch(1);
  views.masks_BN = at::zeros({6, kPatches}, at::kBool);  // the student sees what a plain pass does

  const at::NoGradGuard no_grad;
  nn::Vit student(encoder().vit());
  student->to(at::kDouble);
  for (auto& item : student->named_parameters()) item.value().copy_(snapshot(*method).at("student.backbone." + item.key()));
  double expected = 0;
  for (int64_t crop = 0; crop < 2; ++crop) {
    const Tensor cls = student->class_tokens(student->forward_tokens(views.views_BCHW[static_cast<size_t>(crop)])), z = cls / cls.norm(2, {1}, true);
    const Tensor kernel = (2 * z.matmul(z.t())).exp() * (1 - at::eye(3, at::kDouble));
    expected += 0.3 * (kernel.sum(1) / 2).log().mean().item<double>();
  }
  EXPECT_NEAR(part_of(method->forward(views, at_step(0)), "kde"), expected, 1e-10);
}

/// The class tokens of masked crops serve the class loss: the mask token learns from it.
TEST(Dinov2, ClassLossSeesMaskedCrops) {
  Dinov2Config c = config();
  c.ibot_weight = 0, c.koleo_weight = 0;
  auto method = make(c);
  method->forward(batch(1), at_step(0)).total.backward();
  EXPECT_GT(gradients(*method).at("student.backbone.mask_token").abs().max().item<double>(), 0);
  EXPECT_EQ(method->forward(batch(1), at_step(0)).parts.size(), 2u);
}

TEST(Dinov2, TeacherEqualsTheClosedFormAverage) {
  auto method = make();
  optim::AdamW adamw({}, method->param_groups());
  adamw.add_averages(method->averages());
  const std::string name = "backbone.blocks.1.attn.proj.weight";
  Tensor expected = snapshot(*method).at("teacher." + name);
  for (int64_t k = 0; k < 3; ++k) {
    step(*method, adamw, k, batch(static_cast<uint64_t>(k)));
    const double m = plain::momentum(0.9, k, 10);
    expected = expected * m + snapshot(*method).at("student." + name) * (1 - m);
  }
  EXPECT_TRUE(snapshot(*method).at("teacher." + name).allclose(expected, 1e-12, 1e-14));
}

TEST(Dinov2, ResumesBitForBit) {
  for (const char* centering : {"sinkhorn_knopp", "centering"}) {
    Dinov2Config c = config();
    c.centering = centering;
    expect_resumes_bit_for_bit([&] { return make(c, 0.5); }, 2, 2);
  }
}

/// Loss, gradients and centres of two ranks, one of which has no masked patch, are those of one process with the concatenated batch.
TEST(Dinov2, TwoRanksEqualOneProcessWithTheConcatenatedBatch) {
  for (const char* centering : {"sinkhorn_knopp", "centering"})
    for (const bool separate : {false, true}) {
      Dinov2Config c = config();
      c.centering = centering, c.separate_heads = separate, c.kde_weight = 0.2;
      data::ViewBatch views = batch(3, 4);
      views.masks_BN = at::rand({8, kPatches}) < 0.4;
      for (const int64_t crop : {2, 3, 6, 7}) views.masks_BN[crop].fill_(false);  // the second rank's

      auto whole = make(c);
      const train::Loss loss = whole->forward(views, at_step(1));
      loss.total.backward();
      whole->after_update(at_step(1));
      const TensorMap want = gradients(*whole), state = snapshot(*whole);

      std::vector<TensorMap> grads(2), states(2);
      std::vector<double> losses(2);
      run_ranks(2, [&](const std::shared_ptr<Comm>& comm) {
        const auto r = static_cast<size_t>(comm->rank());
        auto method = make(c, 0, comm);
        const train::Loss own = method->forward(part(views, 2 * comm->rank(), 2), at_step(1));
        own.total.backward();
        method->after_update(at_step(1));
        grads[r] = gradients(*method), states[r] = snapshot(*method), losses[r] = own.total.item<double>();
      });
      EXPECT_NEAR((losses[0] + losses[1]) / 2, loss.total.item<double>(), 1e-10) << centering;
      for (const auto& [name, grad] : want)
        EXPECT_TRUE(((grads[0].at(name) + grads[1].at(name)) / 2).allclose(grad, 1e-8, 1e-11)) << centering << " " << name;
      for (const auto& [name, t] : state) EXPECT_TRUE(states[1].at(name).allclose(t, 1e-10, 1e-12)) << centering << " " << name;
    }
}

TEST(Dinov2, NothingMaskedIsFine) {
  for (const char* centering : {"sinkhorn_knopp", "centering"}) {
    Dinov2Config c = config();
    c.centering = centering;
    auto method = make(c);
    data::ViewBatch views = batch(1);
    views.masks_BN = at::zeros({6, kPatches}, at::kBool);
    const train::Loss loss = method->forward(views, at_step(0));
    loss.total.backward();
    method->after_update(at_step(0));
    EXPECT_EQ(part_of(loss, "ibot"), 0);
    for (const auto& [name, t] : snapshot(*method)) EXPECT_TRUE(t.isfinite().all().item<bool>()) << name;
    for (const auto& [name, t] : gradients(*method)) EXPECT_TRUE(t.isfinite().all().item<bool>()) << name;
  }
}

TEST(Dinov2, MasksFollowSeedAndPosition) {
  auto method = make();
  data::ViewBatch a = batch(1), b = a;
  const double first = method->forward(a, at_step(0)).total.item<double>();
  EXPECT_EQ(method->forward(b, at_step(5)).total.item<double>(), first);  // constant temperature: the step changes nothing
  b.first_position += 1;
  EXPECT_NE(method->forward(b, at_step(0)).total.item<double>(), first);
}

TEST(Dinov2, GroupsHaveLayerRatesAndAFrozenLastLayerThatMoves) {
  Dinov2Config c = config();
  c.layer_decay = 0.5, c.separate_heads = true, c.norm_last_layer = false;
  auto method = make(c);
  std::map<std::string, train::ParamGroup> rules;
  for (const auto& group : method->param_groups())
    for (const auto& name : group.names) rules[name] = group;
  EXPECT_DOUBLE_EQ(rules.at("student.backbone.patch_embed.proj.weight").lr_scale, 0.125 * 0.2);
  EXPECT_DOUBLE_EQ(rules.at("student.backbone.mask_token").lr_scale, 0.125);
  EXPECT_DOUBLE_EQ(rules.at("student.backbone.blocks.1.mlp.fc1.weight").lr_scale, 0.5);
  EXPECT_EQ(rules.at("student.backbone.norm.weight").weight_decay_scale, 0);
  EXPECT_EQ(rules.at("student.backbone.cls_token").weight_decay_scale, 1);
  EXPECT_EQ(rules.at("student.ibot_head.mlp.0.weight").lr_scale, 1);
  EXPECT_EQ(rules.at("student.ibot_head.mlp.0.weight").clip_group, "ibot_head");
  const auto& last = rules.at("student.dino_head.last_layer.weight_g");
  EXPECT_TRUE(last.last_layer && last.frozen_moves);

  optim::AdamW adamw({}, method->param_groups());
  method->forward(batch(1), at_step(0)).total.backward();
  const Tensor before = snapshot(*method).at("student.dino_head.last_layer.weight_v");
  adamw.step({1e-2, 0.1, true});
  EXPECT_TRUE(snapshot(*method).at("student.dino_head.last_layer.weight_v").equal(before));
  EXPECT_GT(adamw.state().tensors.at("student.dino_head.last_layer.weight_v/exp_avg").abs().max().item<double>(), 0);
}

TEST(Dinov2, HeadsOfTheirOwnStartApart) {
  Dinov2Config c = config();
  c.separate_heads = true;
  const TensorMap state = snapshot(*make(c));
  EXPECT_FALSE(state.at("student.dino_head.mlp.0.weight").equal(state.at("student.ibot_head.mlp.0.weight")));
}

TEST(Dinov2, NamesTheLossesOfAWholeBatch) {
  EXPECT_THAT(make()->batch_losses(), ElementsAre("sinkhorn_knopp", "koleo"));
  Dinov2Config c = config();
  c.centering = "centering", c.koleo_weight = 0;
  EXPECT_TRUE(make(c)->batch_losses().empty());
}

TEST(Dinov2, RefusesBatchesThatDoNotFit) {
  auto method = make();
  data::ViewBatch one = batch(1), odd = batch(1), masked = batch(1);
  one.views_BCHW.resize(1);
  EXPECT_THROW(method->forward(one, at_step(0)), Error);
  odd.views_BCHW[1] = odd.views_BCHW[2];
  EXPECT_THROW(method->forward(odd, at_step(0)), Error);
  masked.masks_BN = at::zeros({6, kPatches + 1}, at::kBool);
  EXPECT_THROW(method->forward(masked, at_step(0)), Error);
  EXPECT_THROW(method->forward(batch(1, 1), at_step(0)), Error);  // KoLeo of one row
}

std::string problems_of(const Dinov2Config& c) {
  Collected problems;
  c.validate(problems);
  return problems.all;
}

TEST(Dinov2, BadStartsAreNamed) {
  Dinov2Config c;
  c.mask_ratio = {0.5, 0.1};
  EXPECT_THAT(problems_of(c), HasSubstr("mask_ratio: low is above high"));
  c = {};
  c.ibot_n_prototypes = 5;
  EXPECT_THAT(problems_of(c), HasSubstr("separate_heads"));
  c = {};
  c.mask_probability = 0;
  EXPECT_THAT(problems_of(c), HasSubstr("set ibot_weight to 0"));
  c = {};
  c.separate_heads = true, c.ibot_weight = 0;
  EXPECT_THAT(problems_of(c), HasSubstr("separate_heads: the patches' own head would learn nothing"));
  EXPECT_EQ(problems_of({}), "");

  config::Choice method(method_table(), "dinov2");
  RunShape run{16, {96, 96, 48}, 300, 96, 1};
  Collected small, ok, alike;
  check_run(method, run, small);
  EXPECT_THAT(small.all, HasSubstr("train.batch_size: a micro-step of 1 samples is too small for koleo (need at least 2)"));
  run.batch = 2;
  check_run(method, run, ok);
  EXPECT_EQ(ok.all, "");
  run.crop_sizes = {16, 96}, run.steps = 300;
  check_run(method, run, alike);
  EXPECT_THAT(alike.all, HasSubstr("dinov2 needs two global crops of one size"));
  EXPECT_THAT(alike.all, HasSubstr("method.mask_ratio: 0.5 of the 1 patches"));
}

TEST(Dinov2, BlocksThatDoNotFitEachOtherAreNamed) {
  config::Choice method(method_table(), "dinov2");
  auto& c = dynamic_cast<config::ConfigOf<Dinov2Config>&>(method.config()).value;
  const auto problems = [&](const RunShape& run) {
    Collected all;
    check_run(method, run, all);
    return all.all;
  };
  RunShape run{16, {96, 96, 48}, 300, 96, 2};
  c.patch_sizes = {8, 16};
  EXPECT_EQ(problems(run), "");
  c.patch_sizes = {8, 32};
  EXPECT_THAT(problems(run), HasSubstr("method.patch_sizes: a crop of 48 px is not a multiple of 32; nearest: 32 or 64"));
  c.patch_sizes = {};
  run.merges_tokens = true;
  EXPECT_THAT(problems(run), HasSubstr("model.token_merge.method: dinov2 works on each patch token; need none"));
  run.merges_tokens = false;
  run.undistorted_px = 192;
  EXPECT_THAT(problems(run), HasSubstr("data.crops.undistorted_size_px: only a Gram teacher looks at undistorted views"));
  c.gram_weight = 2;
  EXPECT_EQ(problems(run), "");
  run.undistorted_px = 200;
  EXPECT_THAT(problems(run), HasSubstr("200 px are not a multiple of the patch size 16; nearest: 192 or 208"));
  run.undistorted_px = {};
  c.reconstruction.weight = 1, c.reconstruction.mask_ratio = 0.98;
  EXPECT_THAT(problems(run), HasSubstr("method.reconstruction.mask_ratio: 0.98 leaves none of 36 patches visible; need at most 0.972"));
  c.reconstruction.weight = 0, c.koleo_weight = 0, run.batch = 1;
  EXPECT_THAT(problems(run), HasSubstr("train.batch_size: a micro-step of 1 samples is too small for sinkhorn_knopp (need at least 2)"));
  c.centering = "centering";
  EXPECT_EQ(problems(run), "");
}

TEST(Methods, OthersTakeNoUndistortedViewsAndMergeWhereTheyUseClassTokensAlone) {
  RunShape run{16, {96, 96}, 300, 96, 4};
  run.undistorted_px = 192;
  const auto problems = [&](const char* name) {
    Collected all;
    check_run(config::Choice(method_table(), name), run, all);
    return all.all;
  };
  for (const char* name : {"dino", "ibot", "mae", "simclr", "msn"})
    EXPECT_THAT(problems(name), HasSubstr(std::string("data.crops.undistorted_size_px: ") + name + " does not look at undistorted views")) << name;
  run.undistorted_px = {};
  run.merges_tokens = true;
  for (const char* name : {"ibot", "mae"}) EXPECT_THAT(problems(name), HasSubstr("works on each patch token; need none")) << name;
  for (const char* name : {"dino", "simclr", "byol", "vicreg"}) EXPECT_EQ(problems(name), "") << name;
}

}  // namespace
}  // namespace eosin::ssl
