#include "eval/knn.h"

#include "core/base/error.h"
#include "eval/product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.knn";
constexpr int64_t kQueryBlock = 64, kKeyBlock = 256;

struct Candidate {
  double similarity;
  int64_t index;
  bool nearer_than(const Candidate& o) const { return similarity > o.similarity || (similarity == o.similarity && index < o.index); }
};
bool nearer(const Candidate& a, const Candidate& b) { return a.nearer_than(b); }

/// Keeps the k nearest seen so far, the farthest of them on top of the heap.
class TopK {
 public:
  explicit TopK(int64_t k) : k_(static_cast<size_t>(k)) { heap_.reserve(k_); }
  void offer(Candidate c) {
    if (heap_.size() == k_) {
      if (!c.nearer_than(heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), nearer);
      heap_.back() = c;
    } else {
      heap_.push_back(c);
    }
    std::push_heap(heap_.begin(), heap_.end(), nearer);
  }
  const std::vector<Candidate>& sorted() {
    std::sort_heap(heap_.begin(), heap_.end(), nearer);
    return heap_;
  }

 private:
  size_t k_;
  std::vector<Candidate> heap_;
};

std::vector<double> squared_lengths(const Tensor& rows) {
  const double* x = rows.const_data_ptr<double>();
  std::vector<double> lengths(static_cast<size_t>(rows.size(0)));
  for (double& sum : lengths)
    for (int64_t d = 0; d < rows.size(1); ++d, ++x) sum += *x * *x;
  return lengths;
}

/// Similarities of a block of queries to a block of keys, offered to the queries' lists.
void compare(const Tensor& queries, int64_t first_query, const Tensor& keys, int64_t first_key, Similarity similarity, const OwnGroup& own,
             std::vector<TopK>& best) {
  const int64_t m = queries.size(0), n = keys.size(0), dim = keys.size(1);
  std::vector<double> dot(static_cast<size_t>(m * n));
  multiply_add(m, n, dim, {queries.const_data_ptr<double>(), dim, 1}, {keys.const_data_ptr<double>(), 1, dim}, dot.data(), n);
  std::vector<double> key_square, query_square;
  if (similarity == Similarity::Euclidean) key_square = squared_lengths(keys), query_square = squared_lengths(queries);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      if (!own.keys.empty() && own.keys[first_key + j] == own.queries[first_query + i]) continue;
      const double s = dot[i * n + j];
      best[i].offer({similarity == Similarity::Dot ? s : 2 * s - key_square[j] - query_square[i], first_key + j});
    }
}

/// Weights of the neighbours of one query under a vote, nearest first.
std::vector<double> vote_weights(const KnnOptions& o, const double* similarity, int64_t k) {
  std::vector<double> w(static_cast<size_t>(k), 1.0);
  if (o.vote == KnnVote::Majority) return w;
  const double top = o.vote == KnnVote::DinoV2 ? similarity[0] : 0;
  double sum = 0;
  for (int64_t j = 0; j < k; ++j) sum += w[j] = std::exp((similarity[j] - top) / o.temperature);
  EOSIN_CHECK(std::isfinite(sum), Numeric,
              "[{}] exp(similarity / temperature) overflows (similarity {}, temperature {}); make the features unit vectors", kWhere, similarity[0],
              o.temperature);
  if (o.vote == KnnVote::DinoV2)
    for (double& v : w) v /= sum;
  return w;
}

void check_options(const KnnOptions& o) {
  EOSIN_CHECK(!o.k.empty(), Config, "[{}] no k was given", kWhere);
  for (int64_t k : o.k) EOSIN_CHECK(k > 0, Config, "[{}] k must be positive (got {})", kWhere, k);
  EOSIN_CHECK(o.temperature > 0, Config, "[{}] temperature must be positive (got {})", kWhere, o.temperature);
}

}  // namespace

Neighbors nearest_neighbors(const Tensor& keys_ND, const Tensor& queries_MD, int64_t k, Similarity similarity, const RowTransform& transform,
                            const OwnGroup& own) {
  EOSIN_CHECK(k > 0, Config, "[{}] k must be positive (got {})", kWhere, k);
  const RowReader keys(keys_ND, transform, kWhere), queries(queries_MD, transform, kWhere);
  EOSIN_CHECK(keys.dim() == queries.dim(), Shape, "[{}] keys and queries differ in width (got {} and {})", kWhere, keys.dim(), queries.dim());
  EOSIN_CHECK(k <= keys.rows(), Data, "[{}] too few samples: k is larger than the number of keys (got k {}, {} keys); lower k", kWhere, k,
              keys.rows());
  if (!own.keys.empty()) {
    check_length(kWhere, "groups of keys", own.keys.size(), static_cast<size_t>(keys.rows()));
    check_length(kWhere, "groups of queries", own.queries.size(), static_cast<size_t>(queries.rows()));
  }
  Neighbors found{queries.rows(), k, std::vector<int64_t>(queries.rows() * k), std::vector<double>(queries.rows() * k)};
  const int64_t blocks = (queries.rows() + kQueryBlock - 1) / kQueryBlock;
  at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = b * kQueryBlock, end = std::min(begin + kQueryBlock, queries.rows());
      const Tensor block = queries.read(begin, end);
      std::vector<TopK> best(static_cast<size_t>(end - begin), TopK(k));
      for (int64_t key = 0; key < keys.rows(); key += kKeyBlock)
        compare(block, begin, keys.read(key, std::min(key + kKeyBlock, keys.rows())), key, similarity, own, best);
      for (int64_t i = begin; i < end; ++i) {
        const auto& sorted = best[i - begin].sorted();
        EOSIN_CHECK(static_cast<int64_t>(sorted.size()) == k, Data,
                    "[{}] too few samples: query {} has only {} keys outside its own group (need {}); lower k", kWhere, i, sorted.size(), k);
        for (int64_t j = 0; j < k; ++j) found.index[i * k + j] = sorted[j].index, found.similarity[i * k + j] = sorted[j].similarity;
      }
    }
  });
  return found;
}

std::vector<KnnPrediction> knn_classify(const Tensor& x_ND, Labels target, const Tensor& x_test_MD, int64_t num_classes, const KnnOptions& options) {
  check_options(options);
  check_labels(kWhere, target, num_classes);
  check_length(kWhere, "features", static_cast<size_t>(x_ND.size(0)), target.size());
  const int64_t most = *std::max_element(options.k.begin(), options.k.end());
  const Neighbors found = nearest_neighbors(x_ND, x_test_MD, most, options.similarity, options.transform);
  std::vector<KnnPrediction> results;
  for (int64_t k : options.k) results.push_back({k, Matrix(found.queries, num_classes), {}});
  for (int64_t i = 0; i < found.queries; ++i) {
    const auto weights = vote_weights(options, &found.similarity[i * most], most);
    for (KnnPrediction& r : results) {
      for (int64_t j = 0; j < r.k; ++j) r.score_MC(i, target[found.index[i * most + j]]) += weights[j];
      r.pred.push_back(argmax(r.score_MC.row(i)));
    }
  }
  return results;
}

KnnOptions uni_knn_options(const Tensor& x_ND, int64_t k) {
  KnnOptions o;
  o.vote = KnnVote::Majority;
  o.k = {k};
  o.similarity = Similarity::Euclidean;
  o.transform = RowTransform::centered(x_ND);
  o.transform.unit = true;
  return o;
}

}  // namespace eosin::eval
