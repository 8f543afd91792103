#include "mil/tile_scores.h"

#include "core/base/error.h"
#include "tests/mil/make_head.h"

#include <gtest/gtest.h>

namespace eosin::mil {
namespace {

constexpr int64_t kIn = 5, kClasses = 3, kTiles = 7;

std::optional<TileScores> scores_of(const std::string& name, const std::vector<std::string>& settings, int64_t outputs = kClasses,
                                    TileScoreKind kind = TileScoreKind::Auto, int64_t n_classes = kClasses) {
  auto head = make_small(name, settings, {kIn, outputs});
  head->to(at::kDouble);
  BagBatch bag = make_bags({kTiles}, kIn, kClasses);
  bag.labels_B = Tensor();
  return tile_scores(head->forward(bag, Pass{}), n_classes, kind);
}

TEST(TileScores, OneRowWhereAttentionIsShared) {
  const auto s = scores_of("abmil", {"head.embed_dims=[7]", "head.attention_dim=3"});
  ASSERT_TRUE(s);
  EXPECT_EQ(s->kind, "attention");
  EXPECT_FALSE(s->by_class);
  EXPECT_EQ(s->score_KN.sizes(), (at::IntArrayRef{1, kTiles}));
  EXPECT_NEAR(s->attention_KN.sum().item<double>(), 1, 1e-12);
  EXPECT_TRUE(at::allclose(s->score_KN.softmax(1), s->attention_KN));  // before its softmax
}

TEST(TileScores, BranchesThatAreNoClassesCountWithTheirMean) {
  for (const int64_t branches : {2, 3}) {  // also as many as there are classes
    const auto s = scores_of("abmil", {"head.embed_dims=[7]", "head.attention_dim=3", "head.branches=" + std::to_string(branches)});
    ASSERT_TRUE(s);
    EXPECT_FALSE(s->by_class);
    EXPECT_EQ(s->score_KN.size(0), 1);
    EXPECT_NEAR(s->score_KN.sum().item<double>(), 1, 1e-12);
  }
}

TEST(TileScores, ARowAClassWhereTheHeadTellsThemApart) {
  for (const auto& [name, settings, kind] : {std::tuple<std::string, std::vector<std::string>, std::string>{
                                                 "clam_mb", {"head.embed_dim=7", "head.attention_dim=3", "head.k_sample=2"}, "class attention"},
                                             {"dsmil", {"head.query_dim=3"}, "class attention"},
                                             {"additive", {"head.attention_hidden=[3]", "head.classifier_hidden=[7]"}, "tile logit"},
                                             {"mean", {"head.hidden_dim=7"}, "tile logit"}}) {
    const auto s = scores_of(name, settings);
    ASSERT_TRUE(s) << name;
    EXPECT_EQ(s->kind, kind) << name;
    EXPECT_TRUE(s->by_class) << name;
    EXPECT_EQ(s->score_KN.sizes(), (at::IntArrayRef{kClasses, kTiles})) << name;
    EXPECT_EQ(s->attention_KN.defined(), kind != "tile logit") << name;
  }
}

TEST(TileScores, LogitsOfAdditiveHeadsAddUpToTheBags) {
  const std::vector<std::string> small = {"head.attention_hidden=[3]", "head.classifier_hidden=[7]"};
  auto head = make_small("additive", small, {kIn, kClasses});
  head->to(at::kDouble);
  const HeadOutput out = head->forward(make_bags({kTiles}, kIn, kClasses), Pass{});
  EXPECT_TRUE(at::allclose(tile_scores(out, kClasses)->score_KN.sum(1), out.logits_BC[0]));
  EXPECT_EQ(tile_scores(out, kClasses, TileScoreKind::Attention)->kind, "attention");
}

TEST(TileScores, OneLogitSpeaksForTwoClasses) {
  const auto s = scores_of("mean", {"head.hidden_dim=7"}, 1, TileScoreKind::Auto, 2);
  ASSERT_TRUE(s);
  EXPECT_TRUE(s->by_class);
  EXPECT_TRUE(s->score_KN[0].equal(-s->score_KN[1]));
}

TEST(TileScores, OfSurvivalThereIsOneRow) {
  for (const char* name : {"clam_mb", "max"}) {
    const auto s = scores_of(name,
                             std::string(name) == "max" ? std::vector<std::string>{"head.hidden_dim=7"}
                                                        : std::vector<std::string>{"head.embed_dim=7", "head.attention_dim=3"},
                             4, TileScoreKind::Auto, 0);
    ASSERT_TRUE(s);
    EXPECT_FALSE(s->by_class);
    EXPECT_EQ(s->score_KN.size(0), 1);
  }
}

TEST(TileScores, TakesWhatThereIsAndNothingFromHeadsWithout) {
  EXPECT_EQ(scores_of("max", {"head.hidden_dim=7"}, kClasses, TileScoreKind::Attention)->kind, "tile logit");
  EXPECT_EQ(scores_of("clam_sb", {"head.embed_dim=7", "head.attention_dim=3"}, kClasses, TileScoreKind::Logits)->kind, "attention");
  EXPECT_FALSE(scores_of("simlp", {"head.hidden_dim=7"}));
}

/// The score of a tile is the tile's: it follows when rows change places. (Heads that depend on order are left out.)
TEST(TileScores, FollowTheirTiles) {
  const Tensor order = at::tensor({3, 0, 6, 2, 5, 1, 4}, at::kLong);
  for (const auto& [name, settings] : {std::pair<std::string, std::vector<std::string>>{"abmil", {"head.embed_dims=[7]", "head.attention_dim=3"}},
                                       {"clam_mb", {"head.embed_dim=7", "head.attention_dim=3"}},
                                       {"dsmil", {"head.query_dim=3"}},
                                       {"acmil", {"head.dim=7", "head.attention_dim=3", "head.n_token=2"}},
                                       {"wikg", {"head.dim=8", "head.topk=3"}},
                                       {"mhim", {"head.head.embed_dims=[7]", "head.head.attention_dim=3"}}}) {
    auto head = make_small(name, settings, {kIn, kClasses});
    head->to(at::kDouble);
    BagBatch bag = make_bags({kTiles}, kIn, kClasses), moved = bag;
    bag.labels_B = moved.labels_B = Tensor();
    moved.features_ND = bag.features_ND.index_select(0, order);
    moved.coords_N2 = bag.coords_N2.index_select(0, order);
    moved.fragment_N = bag.fragment_N.index_select(0, order);
    const auto a = tile_scores(head->forward(bag, Pass{}), kClasses), b = tile_scores(head->forward(moved, Pass{}), kClasses);
    ASSERT_TRUE(a && b) << name;
    EXPECT_TRUE(at::allclose(a->score_KN.index_select(1, order), b->score_KN)) << name;
  }
}

TEST(LoadHead, GivesTheSameAnswersAndRefusesOtherWeights) {
  const config::Choice abmil(head_table(), "abmil");
  const auto trained = make_head(abmil, {kIn, kClasses}, 3);
  TensorMap weights;
  for (const auto& p : trained->named_parameters()) weights[p.key()] = p.value().detach().clone();
  BagBatch bag = make_bags({kTiles}, kIn, kClasses);
  bag.features_ND = bag.features_ND.to(at::kFloat);
  const auto loaded = load_head(abmil, {kIn, kClasses}, weights, "w");
  EXPECT_TRUE(loaded->forward(bag, Pass{}).logits_BC.equal(trained->forward(bag, Pass{}).logits_BC));
  const auto refused = [&](const TensorMap& w, int64_t in_dim) {
    try {
      load_head(abmil, {in_dim, kClasses}, w, "models/x.safetensors");
    } catch (const Error& e) {
      return e.kind() == ErrorKind::Data && std::string(e.what()).find("models/x.safetensors") != std::string::npos;
    }
    return false;
  };
  EXPECT_TRUE(refused(weights, kIn + 1));
  TensorMap more = weights;
  more["other"] = at::zeros({1});
  EXPECT_TRUE(refused(more, kIn));
  weights.erase(weights.begin());
  EXPECT_TRUE(refused(weights, kIn));
}

}  // namespace
}  // namespace eosin::mil
