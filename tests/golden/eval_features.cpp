#include "eval/cka.h"
#include "eval/curvature.h"
#include "eval/few_shot.h"
#include "eval/gradient_coherence.h"
#include "eval/hest_probe.h"
#include "eval/kmeans.h"
#include "eval/lidar.h"
#include "eval/loss_barrier.h"
#include "eval/pca.h"
#include "eval/prototypes.h"
#include "eval/regression.h"
#include "eval/retrieval.h"
#include "eval/ridge.h"
#include "eval/robustness.h"
#include "eval/silhouette.h"
#include "eval/slide_collapse.h"
#include "tests/golden/arrays.h"

namespace eosin::golden {
namespace {

using namespace eosin::eval;

// ------------------------------------------------------------------------------------------- probes
Prototypes prototypes(const Case& c) {
  return Prototypes::fit(c.at("in.x"), ints(c, "in.target"), num_classes(c), {c.config.value("center", true), c.config.value("normalize", true)});
}

Results run_simpleshot(const Case& c) {
  const Prototypes p = prototypes(c);
  const Matrix distance = p.distances(c.at("in.x_test"));
  return {{"out.mean", tensor(p.transform().center)},
          {"out.prototype", tensor(p.rows())},
          {"out.distance", tensor(distance)},
          {"out.pred", tensor(argmin_rows(distance))}};
}

Results run_protonet(const Case& c) {
  const BagSimilarity similarity = word(c, "metric", "l2") == "ip" ? BagSimilarity::InnerProduct : BagSimilarity::L2;
  const BagVote v = prototypes(c).vote(c.at("in.bag"), c.config.at("topk").get<int64_t>(), similarity);
  return {{"out.score", tensor(v.score)}, {"out.pred", scalar_i64(v.pred)}};
}

Results run_few_shot(const Case& c) {
  const Episode e = few_shot_episode(ints(c, "in.target"), ints(c, "in.class_order"), ints(c, "in.permutation"), c.config.at("n_way").get<int64_t>(),
                                     c.config.at("n_shot").get<int64_t>(), c.config.value("n_query", int64_t{-1}));
  return {{"out.support", tensor(e.support)}, {"out.query", tensor(e.query)}};
}

Results run_retrieval(const Case& c) {
  const Tensor& keys = c.at("in.x");
  const bool l2 = word(c, "similarity", "l2") == "l2";
  RetrievalOptions o;
  o.k = c.config.at("k").get<Ints>();
  o.similarity = l2 ? Similarity::Euclidean : Similarity::Dot;
  o.transform = c.config.value("center", false) ? centered_unit(keys) : RowTransform{.unit = !l2};
  o.map_norm = word(c, "map_norm", "k") == "hits" ? MapNorm::Hits : MapNorm::K;
  const Ints group = ints(c, "in.group"), group_test = ints(c, "in.group_test");
  const OwnGroup own = c.config.value("exclude_same_group", false) ? OwnGroup{group, group_test} : OwnGroup{};
  const Retrieval r = retrieval_at_k(keys, ints(c, "in.target"), c.at("in.x_test"), ints(c, "in.target_test"), o, own);
  return {{"out.label", tensor(r.label).reshape({r.queries, r.depth})},
          {"out.acc", tensor(over_queries(r.acc))},
          {"out.mv_acc", tensor(over_queries(r.mv_acc))},
          {"out.map", tensor(over_queries(r.precision))}};
}

Results run_ridge(const Case& c) {
  RidgeOptions o;
  if (c.config.contains("alpha") && c.config["alpha"].is_number()) o.alpha = c.config["alpha"].get<double>();
  o.fit_intercept = c.config.value("fit_intercept", true);
  const Ridge r = fit_ridge(c.at("in.x"), matrix(c, "in.y"), o);
  const Matrix pred = r.predict(c.at("in.x_test"));
  return {{"out.coef", tensor(r.coef_TD)},
          {"out.intercept", tensor(r.intercept)},
          {"out.pred", tensor(pred)},
          {"out.pearson", tensor(pearson_columns(matrix(c, "in.y_test"), pred))}};
}

Results run_hest(const Case& c) {
  const HestProbe p = HestProbe::fit(c.at("in.x"), matrix(c, "in.y"), {.n_components = c.config.value("n_components", int64_t{256})});
  const HestScore s = hest_score(matrix(c, "in.y_test"), p.predict(c.at("in.x_test")));
  return {{"out.pearson", tensor(s.pearson)}, {"out.pearson_mean", scalar_f64(s.mean)}, {"out.pearson_sd", scalar_f64(s.sd)}};
}

Results run_pca(const Case& c) {
  const Pca p = fit_pca(c.at("in.x"), c.config.at("n_components").get<int64_t>(), c.config.value("whiten", false));
  return {{"out.mean", tensor(p.mean)},
          {"out.components", tensor(p.components_KD)},
          {"out.explained_variance", tensor(p.explained_variance)},
          {"out.explained_variance_ratio", tensor(p.explained_variance_ratio)},
          {"out.transformed", p.apply(c.at("in.x"))}};
}

Results run_kmeans(const Case& c) {
  const KMeans k = kmeans(c.at("in.x"), matrix(c, "in.center"), c.config.value("max_iter", int64_t{300}));
  return {{"out.center", tensor(k.center_KD)}, {"out.label", tensor(k.label)}, {"out.inertia", scalar_f64(k.inertia)}};
}

Results run_silhouette(const Case& c) {
  const bool cosine = word(c, "metric", "euclidean") == "cosine";
  const Silhouette s = silhouette(c.at("in.x"), ints(c, "in.label"), cosine ? SilhouetteMetric::Cosine : SilhouetteMetric::Euclidean);
  return {{"out.sample", tensor(s.sample)}, {"out.value", scalar_f64(s.value)}};
}

// ------------------------------------------------------------------------------------------- representation, robustness
Results run_lidar(const Case& c) {
  const Lidar l = lidar(c.at("in.x"), c.config.value("delta", 1e-4), c.config.value("eps", 1e-8));
  return {{"out.value", scalar_f64(l.value)}, {"out.entropy", scalar_f64(l.entropy)}, {"out.top_eigenvalue", scalar_f64(l.top_eigenvalue)}};
}

Results run_slide_collapse(const Case& c) {
  const SlideCollapse s = slide_collapse(c.at("in.x"), ints(c, "in.slide"), ints(c, "in.target"), c.config.value("k", int64_t{50}));
  return {{"out.same_slide_fraction", scalar_f64(s.same_slide_fraction)},
          {"out.chance", scalar_f64(s.chance)},
          {"out.lift", scalar_f64(s.lift)},
          {"out.slide_variance_share", scalar_f64(s.slide_variance_share)},
          {"out.silhouette_slide", scalar_f64(s.silhouette_slide)},
          {"out.silhouette_class", scalar_f64(s.silhouette_class)}};
}

Results run_robustness_index(const Case& c) {
  const Ints bio = ints(c, "in.biological_class"), center = ints(c, "in.center"), slide = ints(c, "in.slide"), subset = ints(c, "in.subset");
  const RobustnessIndex r = robustness_index(c.at("in.x"), {bio, center, slide, subset}, c.config.at("k").get<int64_t>());
  return {{"out.robustness_index", tensor(r.index)}, {"out.fraction_ss", tensor(r.ss)},
          {"out.fraction_so", tensor(r.so)},         {"out.fraction_os", tensor(r.os)},
          {"out.fraction_oo", tensor(r.oo)},         {"out.knn_balanced_accuracy", tensor(r.knn_balanced_accuracy)}};
}

Results run_performance_drop(const Case& c) {
  const PerformanceDrop d = average_performance_drop(matrix(c, "in.accuracy"));
  return {{"out.per_repetition", tensor(d.per_repetition)}, {"out.value", scalar_f64(d.value)}};
}

Results run_clustering_score(const Case& c) {
  const ClusteringScore s = clustering_score(ints(c, "in.cluster"), ints(c, "in.biological_class"), ints(c, "in.center"));
  return {{"out.ari_bio", scalar_f64(s.ari_bio)}, {"out.ari_center", scalar_f64(s.ari_center)}, {"out.value", scalar_f64(s.value)}};
}

// ------------------------------------------------------------------------------------------- training dynamics
SymmetricOperator products_with(const Tensor& matrix) {
  return [matrix](const Tensor& v) { return matrix.mv(v); };
}

Results run_gradient_coherence(const Case& c) {
  const GradientCoherence g = gradient_coherence(c.at("in.gradient"));
  return {{"out.alpha", scalar_f64(g.alpha)}, {"out.m_coherence", scalar_f64(g.m_coherence)}, {"out.pairwise_cosine", scalar_f64(g.pairwise_cosine)}};
}

Results run_loss_barrier(const Case& c) {
  const LossBarrier b = loss_barrier(reals(c, "in.alpha"), reals(c, "in.loss"));
  return {{"out.barrier", scalar_f64(b.barrier)}, {"out.at", scalar_f64(b.at)}, {"out.midpoint_gap", scalar_f64(b.midpoint_gap)}};
}

Results run_lanczos(const Case& c) {
  const LanczosSpectrum s = lanczos(products_with(c.at("in.matrix")), c.at("in.start"), c.config.at("steps").get<int64_t>());
  return {{"out.alpha", tensor(s.alpha)},
          {"out.beta", tensor(s.beta)},
          {"out.node", tensor(s.node)},
          {"out.weight", tensor(s.weight)},
          {"out.density", tensor(s.density(reals(c, "in.grid"), c.config.at("sigma").get<double>()))}};
}

Results run_hutchinson(const Case& c) {
  const HutchinsonTrace t = hutchinson_trace(products_with(c.at("in.matrix")), c.at("in.vector"));
  return {{"out.estimate", scalar_f64(t.estimate)}, {"out.standard_error", scalar_f64(t.standard_error)}, {"out.diagonal", t.diagonal_D}};
}

}  // namespace

std::vector<Row> eval_features_rows() {
  return {
      {"eval.simpleshot", run_simpleshot},
      {"eval.protonet", run_protonet},
      {"eval.few_shot_sampling", run_few_shot},
      {"eval.retrieval_at_k", run_retrieval},
      {"eval.ridge", run_ridge},
      {"eval.hest_probe", run_hest},
      {"eval.pca", run_pca},
      {"eval.kmeans", run_kmeans},
      {"eval.silhouette", run_silhouette},
      {"eval.cka", [](const Case& c) { return value(linear_cka(c.at("in.x"), c.at("in.y"), c.config.value("debiased", false))); }},
      {"eval.lidar", run_lidar},
      {"eval.slide_collapse", run_slide_collapse},
      {"eval.robustness_index", run_robustness_index},
      {"eval.average_performance_drop", run_performance_drop},
      {"eval.clustering_score", run_clustering_score},
      {"eval.gradient_coherence", run_gradient_coherence},
      {"eval.lmc_barrier", run_loss_barrier},
      {"eval.lanczos_density", run_lanczos},
      {"eval.hutchinson_trace", run_hutchinson},
  };
}

}  // namespace eosin::golden
