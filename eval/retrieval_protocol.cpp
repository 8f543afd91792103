#include "eval/retrieval_protocol.h"

#include "eval/retrieval.h"

#include <fmt/format.h>

namespace eosin::eval {
namespace {

using Json = nlohmann::ordered_json;

RetrievalOptions options_of(const RetrievalProtocol& p, const Tensor& keys_ND) {
  RetrievalOptions o;
  o.k = p.k;
  o.similarity = p.similarity == "l2" ? Similarity::Euclidean : Similarity::Dot;
  o.transform = p.center ? centered_unit(keys_ND) : RowTransform{.unit = p.similarity == "cosine"};
  o.map_norm = p.map_norm == "k" ? MapNorm::K : MapNorm::Hits;
  return o;
}

std::vector<double> column(const Matrix& m, int64_t c) {
  std::vector<double> v;
  for (int64_t i = 0; i < m.rows; ++i) v.push_back(m(i, c));
  return v;
}

/// Shares of the classes among all neighbours; the prediction is the most frequent, ties to the nearest.
Predictions votes(const Retrieval& r, const LabelledSet& train, const LabelledSet& test) {
  Predictions p{static_cast<int64_t>(train.classes.size()), test.target, {}, Matrix(r.queries, static_cast<int64_t>(train.classes.size()))};
  for (int64_t q = 0; q < r.queries; ++q) {
    const auto share = p.prob_NC.row(q);
    for (int64_t j = 0; j < r.depth; ++j) share[r.label[q * r.depth + j]] += 1;
    int64_t best = r.label[q * r.depth];
    for (int64_t j = 1; j < r.depth; ++j)
      if (share[r.label[q * r.depth + j]] > share[best]) best = r.label[q * r.depth + j];
    for (double& votes : share) votes /= static_cast<double>(r.depth);
    p.pred.push_back(best);
  }
  return p;
}

}  // namespace

void RetrievalProtocol::visit(config::Visitor& v) {
  v("k", k, "ranks at which hits are counted", config::Range{1, 1e6}, config::Length{1, 100});
  v("similarity", similarity, "cosine, or l2: nearest by Euclidean distance", config::OneOf{{"cosine", "l2"}});
  v("center", center, "subtract the mean of the keys, then unit length");
  v("map_norm", map_norm, "mean average precision divides by the hits, or by k (as Patho-Bench)", config::OneOf{{"hits", "k"}});
}

ProtocolResult run_retrieval(const RetrievalProtocol& p, const LabelledSet& train, const LabelledSet& test) {
  const Retrieval r =
      retrieval_at_k(train.features_ND, train.target, test.features_ND, test.target, options_of(p, train.features_ND), {train.group, test.group});
  ProtocolResult result{votes(r, train, test), Json{{"k", p.k}, {"similarity", p.similarity}, {"center", p.center}, {"keys", train.ids.size()}}};
  for (size_t c = 0; c < p.k.size(); ++c) {
    const auto i = static_cast<int64_t>(c);
    result.measures.push_back({fmt::format("retrieval_acc@{}", p.k[c]), column(r.acc, i)});
    result.measures.push_back({fmt::format("retrieval_mv@{}", p.k[c]), column(r.mv_nearest, i)});
    result.measures.push_back({fmt::format("retrieval_mv_any_tie@{}", p.k[c]), column(r.mv_acc, i)});
    result.measures.push_back({fmt::format("retrieval_map@{}", p.k[c]), column(r.precision, i)});
  }
  return result;
}

}  // namespace eosin::eval
