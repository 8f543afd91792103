// What every head promises, for every row of the table.
#include "core/base/error.h"
#include "mil/class_losses.h"
#include "tests/gradcheck.h"
#include "tests/mil/make_head.h"

#include <gtest/gtest.h>

#include <set>

namespace eosin::mil {
namespace {

constexpr int64_t kIn = 5, kClasses = 3;

struct Small {
  std::string name;
  std::vector<std::string> settings;
};

const std::vector<Small>& small_heads() {
  static const std::vector<Small> list = {
      {"mean", {"head.hidden_dim=7"}},
      {"max", {"head.hidden_dim=7"}},
      {"max_instance", {"head.hidden_dim=7"}},
      {"simlp", {"head.hidden_dim=7"}},
      {"abmil", {"head.embed_dims=[7]", "head.attention_dim=3"}},
      {"abmil", {"head.embed_dims=[7,11]", "head.attention_dim=3", "head.gated=true", "head.branches=2"}},
      {"clam_sb", {"head.embed_dim=7", "head.attention_dim=3", "head.k_sample=2"}},
      {"clam_mb", {"head.embed_dim=7", "head.attention_dim=3", "head.k_sample=2", "head.subtyping=true"}},
      {"dsmil", {"head.query_dim=3", "head.passing_v=true"}},
      {"transmil", {"head.dim=8", "head.heads=2", "head.num_landmarks=3", "head.residual_conv_kernel=3"}},
      {"transmil", {"head.dim=8", "head.heads=2", "head.attention=exact", "head.residual_conv_kernel=3"}},
      {"dtfd", {"head.dim=7", "head.attention_dim=3", "head.num_group=3", "head.num_layer_res=1", "head.joint=true"}},
      {"dtfd", {"head.dim=7", "head.attention_dim=3", "head.num_group=2", "head.distill=MaxMinS", "head.joint=true"}},
      {"acmil", {"head.dim=7", "head.attention_dim=3", "head.n_token=2", "head.n_masked_patch=4"}},
      {"additive", {"head.attention_hidden=[3]", "head.classifier_hidden=[7]"}},
      {"ilra", {"head.dim=8", "head.num_heads=2", "head.rank=3"}},
      {"rrt",
       {"head.dim=8", "head.heads=2", "head.crmsa_heads=2", "head.crmsa_k=2", "head.region_num=2", "head.epeg_k=3", "head.head.embed_dims=[7]",
        "head.head.attention_dim=3"}},
      {"mhim", {"head.head.embed_dims=[7]", "head.head.attention_dim=3", "head.ratio_high=0.2"}},
      {"mhim", {"head.head.name=transmil", "head.head.dim=8", "head.head.heads=2", "head.head.num_landmarks=3", "head.head.residual_conv_kernel=3"}},
      {"scmil", {"head.embed_dim=7", "head.proj_dim=3", "head.head.embed_dims=[7]", "head.head.attention_dim=3"}},
      {"wikg", {"head.dim=8", "head.topk=3"}},
      {"s4", {"head.dim=4", "head.d_state=4"}},
      {"mamba", {"head.dim=4", "head.attention_dim=3", "head.layers=1", "head.d_state=3", "head.rate=4"}},
      {"gigapath", {"head.dim=8", "head.depth=1", "head.heads=2", "head.ffn_dim=12", "head.segment_length=[4]", "head.dilated_ratio=[2]"}},
      {"alibi_vit", {"head.dim=6", "head.depth=2", "head.heads=3"}},
      {"fragment_vit", {"head.dim=8", "head.depth=2", "head.heads=2", "head.storage_tokens=2"}},
      {"adaptive_regions", {"head.dim=6", "head.heads=2", "head.regions=2", "head.assigned=2", "head.attention_dim=3"}},
  };
  return list;
}

std::shared_ptr<Head> make_double(const Small& s) {
  auto head = make_small(s.name, s.settings, {kIn, kClasses});
  head->to(at::kDouble);
  return head;
}

RowLoss class_loss(const BagBatch& bags) {
  return [labels = bags.labels_B](const Tensor& logits_MC, const Tensor& bag_M) { return cross_entropy(logits_MC, labels.index_select(0, bag_M)); };
}

Tensor losses_of(Head& head, const BagBatch& bags, const Pass& pass) { return bag_losses(head.forward(bags, pass), class_loss(bags)); }

const Pass kTraining{DrawKey{3, 100}, 0.3};

class EveryHead : public testing::TestWithParam<size_t> {
 protected:
  const Small& small() const { return small_heads()[GetParam()]; }
  bool is(std::initializer_list<const char*> names) const {
    return std::any_of(names.begin(), names.end(), [&](const char* n) { return small().name == n; });
  }
};

TEST(HeadTable, EveryRowIsTested) {
  std::set<std::string> tested;
  for (const Small& s : small_heads()) tested.insert(s.name);
  for (const auto& row : head_table()) EXPECT_TRUE(tested.count(row.name)) << row.name;
}

/// Where gradients stop by design, the small head stands aside: MHIM's teacher sees the tiles too, DTFD's second tier is detached unless joint,
/// and dilated attention weighs several branches without gradient.
TEST_P(EveryHead, HasTheGradientsOfItsLoss) {
  const auto head = make_double(small());
  BagBatch bags = make_bags({9, 4}, kIn, kClasses);
  std::vector<std::pair<std::string, Tensor>> leaves;
  for (const auto& p : head->named_parameters()) {
    if (!p.value().requires_grad()) continue;
    const at::NoGradGuard no_grad;
    p.value().add_(at::randn_like(p.value()) * 0.05);  // zero biases behind dropped rows would stand on ReLU's corner
    leaves.emplace_back(p.key(), p.value());
  }
  if (!is({"mhim"})) leaves.emplace_back("x", bags.features_ND.requires_grad_());
  expect_gradients([&] { return losses_of(*head, bags, kTraining).sum(); }, leaves, leaves.size() > 30 ? 1 : 3, 1e-5);
}

TEST_P(EveryHead, GivesAPackedBatchWhatItGivesBagsOneByOne) {
  const auto head = make_double(small());
  const BagBatch bags = make_bags({1, 6, 11}, kIn, kClasses);
  for (const Pass& pass : {Pass{}, kTraining}) {
    const HeadOutput packed = head->forward(bags, pass);
    const Tensor losses = bag_losses(packed, class_loss(bags));
    for (int64_t b = 0; b < bags.n_bags(); ++b) {
      const BagBatch one = one_bag(bags, b);
      const HeadOutput alone = head->forward(one, pass_of_bag(pass, b));
      EXPECT_TRUE(at::allclose(packed.logits_BC[b], alone.logits_BC[0], 1e-10, 1e-10)) << b;
      if (is({"scmil"})) continue;  // its own loss compares bags
      EXPECT_NEAR(losses[b].item<double>(), bag_losses(alone, class_loss(one))[0].item<double>(), 1e-9) << b;
    }
  }
}

TEST_P(EveryHead, DoesNotSeeTheOrderOfTiles) {
  if (is({"transmil", "rrt", "s4", "mamba", "gigapath", "dtfd"}) || small().settings[0] == "head.head.name=transmil")
    GTEST_SKIP() << "the order of tiles is its geometry, or what its pseudo-bags are cut from";
  const auto head = make_double(small());
  const BagBatch bag = make_bags({11}, kIn, kClasses);
  const BagBatch turned = rows_of(bag, (at::arange(11, at::kLong) * 4).remainder(11));
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::allclose(head->forward(bag, {}).logits_BC, head->forward(turned, {}).logits_BC, 1e-10, 1e-10));
}

TEST_P(EveryHead, SaysWhetherItUsesThePlacesOfTiles) {
  if (is({"dtfd"})) GTEST_SKIP() << "its pseudo-bags are cut by draws, wherever the tiles are";
  const auto head = make_double(small());
  const BagBatch bag = make_bags({11}, kIn, kClasses);
  const BagBatch moved = with_features(bag, bag.features_ND.index_select(0, (at::arange(11, at::kLong) * 4).remainder(11)));
  const at::NoGradGuard no_grad;
  const bool same = at::allclose(head->forward(bag, {}).logits_BC, head->forward(moved, {}).logits_BC, 1e-10, 1e-10);
  EXPECT_NE(same, uses_places(small_choice(small().name, small().settings)));
}

TEST_P(EveryHead, TakesASingleTile) {
  const auto head = make_double(small());
  BagBatch bag = make_bags({1}, kIn, kClasses);
  bag.features_ND.requires_grad_();
  const HeadOutput out = head->forward(bag, kTraining);
  EXPECT_EQ(out.logits_BC.sizes(), (std::vector<int64_t>{1, kClasses}));
  const Tensor loss = bag_losses(out, class_loss(bag)).sum();
  loss.backward();
  EXPECT_TRUE(std::isfinite(loss.item<double>()));
  EXPECT_TRUE(bag.features_ND.grad().isfinite().all().item<bool>());
}

TEST_P(EveryHead, RefusesAnEmptyBagAndAnotherWidth) {
  const auto head = make_double(small());
  BagBatch bags = make_bags({3, 2}, kIn, kClasses);
  bags.offsets = {0, 5, 5};
  try {
    head->forward(bags, {});
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data);
    EXPECT_NE(std::string(e.what()).find("slide-1"), std::string::npos) << e.what();
  }
  try {
    head->forward(make_bags({3}, kIn + 2, kClasses), {});
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Shape);
  }
}

TEST_P(EveryHead, HasAttentionThatSumsToOne) {
  const auto head = make_double(small());
  const BagBatch bags = make_bags({6, 11}, kIn, kClasses);
  const at::NoGradGuard no_grad;
  const HeadOutput out = head->forward(bags, {});
  if (!out.attention_KN.defined() || is({"transmil"}) || small().settings[0] == "head.head.name=transmil") return;  // of all tokens, not of tiles
  for (const Tensor& of_bag : split_bags(out.attention_KN.t(), bags.offsets))
    EXPECT_TRUE(at::allclose(of_bag.sum(0), at::ones({of_bag.size(1)}, at::kDouble)));
}

TEST_P(EveryHead, StartsFromItsSeedAlone) {
  const auto a = make_small(small().name, small().settings, {kIn, kClasses}, 1), b = make_small(small().name, small().settings, {kIn, kClasses}, 1),
             c = make_small(small().name, small().settings, {kIn, kClasses}, 2);
  bool differs = false;
  const auto of_b = b->named_parameters(), of_c = c->named_parameters();
  for (const auto& p : a->named_parameters()) {
    EXPECT_TRUE(at::equal(p.value(), of_b[p.key()])) << p.key();
    EXPECT_TRUE(p.value().isfinite().all().item<bool>()) << p.key();
    differs |= !at::equal(p.value(), of_c[p.key()]);
  }
  EXPECT_TRUE(differs);
}

INSTANTIATE_TEST_SUITE_P(Rows, EveryHead, testing::Range(size_t{0}, small_heads().size()),
                         [](const auto& row) { return small_heads()[row.param].name + "_" + std::to_string(row.param); });

int64_t parameters_of(const std::string& name, const std::vector<std::string>& settings) {
  int64_t n = 0;
  for (const Tensor& p : make_small(name, settings, {1024, 2})->parameters()) n += p.numel();
  return n;
}

TEST(ParameterCounts, AreThePublishedOnes) {
  EXPECT_EQ(parameters_of("abmil", {"head.attention_bias=false"}), 591490);
  EXPECT_EQ(parameters_of("abmil", {}), 591619);
  EXPECT_EQ(parameters_of("abmil", {"head.gated=true", "head.attention_bias=false"}), 657026);
  EXPECT_EQ(parameters_of("clam_sb", {}), 790791);
  EXPECT_EQ(parameters_of("clam_mb", {}), 791048);
  EXPECT_EQ(parameters_of("transmil", {}), 2672146);
}

}  // namespace
}  // namespace eosin::mil
