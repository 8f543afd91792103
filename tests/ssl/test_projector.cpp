#include "core/nn/weights.h"
#include "core/tensor/comm.h"
#include "ssl/projector.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

namespace eosin::ssl {
namespace {

std::vector<std::string> names_of(const ProjectorShape& shape) {
  std::vector<std::string> names;
  Projector projector(shape, make_single_comm());
  for (const auto& item : projector->named_parameters()) names.push_back(item.key());
  return names;
}

TEST(Projector, NamesAreThoseOfASequential) {
  ProjectorShape shape;
  shape.layers = 3;
  using testing::ElementsAre;
  EXPECT_THAT(names_of(shape), ElementsAre("0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias", "6.weight"));
  shape.layers = 2, shape.last_norm = ProjectorShape::LastNorm::kPlain;
  EXPECT_THAT(names_of(shape), ElementsAre("0.weight", "1.weight", "1.bias", "3.weight"));
  shape.last_norm = ProjectorShape::LastNorm::kAffine;
  EXPECT_THAT(names_of(shape), ElementsAre("0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias"));
  shape.layers = 1, shape.last_norm = ProjectorShape::LastNorm::kNone, shape.last_bias = true;
  EXPECT_THAT(names_of(shape), ElementsAre("0.weight", "0.bias"));
}

TEST(Projector, SeedAndNameTellTheWeights) {
  ProjectorShape shape;
  shape.in_dim = 11, shape.hidden_dim = 11, shape.out_dim = 11;
  const auto weights = [&](uint64_t seed, const std::string& name) {
    Projector projector(shape, make_single_comm());
    projector->init_weights(seed, name);
    return nn::named_weights(*projector);
  };
  const TensorMap a = weights(1, "projector"), b = weights(1, "projector"), c = weights(1, "predictor"), d = weights(2, "projector");
  EXPECT_TRUE(a.at("0.weight").equal(b.at("0.weight")));
  EXPECT_FALSE(a.at("0.weight").equal(a.at("3.weight")));
  EXPECT_FALSE(a.at("0.weight").equal(c.at("0.weight")));
  EXPECT_FALSE(a.at("0.weight").equal(d.at("0.weight")));
  EXPECT_LE(a.at("0.weight").abs().max().item<double>(), 1 / std::sqrt(11.0) + 1e-6);
}

}  // namespace
}  // namespace eosin::ssl
