// Heads over bags: pooling, attention, transformers.
#include "tests/golden/mil_case.h"

#include "data/mil_mat.h"
#include "mil/abmil.h"
#include "mil/clam.h"
#include "mil/class_losses.h"
#include "mil/dsmil.h"
#include "mil/max_instance.h"
#include "mil/pooled_mlp.h"
#include "mil/transmil.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

using nlohmann::json;

Results pooled_mlp(const Case& c, mil::PooledMlp::Pool pool) {
  mil::PooledMlpConfig config;
  config.hidden_dim = rows_of(c, "head.0.weight");
  config.act = c.config["act"], config.level = c.config["level"];
  mil::PooledMlp head(config, pool, columns_of(c, "head.0.weight"), rows_of(c, "head.2.weight"));
  MilCase run(c, head);
  const auto out = head.forward(run.bags, {});
  run.out["logits"] = out.logits_BC[0];
  return run.finish(mil::cross_entropy(out.logits_BC, run.bags.labels_B).mean());
}

Results max_instance(const Case& c) {
  mil::MaxInstanceConfig config;
  config.hidden_dim = rows_of(c, "fc.0.weight");
  mil::MaxInstance head(config, columns_of(c, "fc.0.weight"), c.config["n_classes"]);
  MilCase run(c, head);
  const auto out = head.forward(run.bags, {});
  const auto prediction = mil::predict(out.logits_BC);
  run.out["logits"] = out.logits_BC[0], run.out["prob"] = prediction.prob_BC[0], run.out["pred"] = prediction.pred_B;
  return run.finish(mil::cross_entropy(out.logits_BC, run.bags.labels_B).mean());
}

std::unique_ptr<mil::Head> make_abmil(const Case& c) {
  mil::AbmilConfig config;
  config.gated = c.config["gated"];
  config.embed_dims.clear();
  for (int64_t i = 0; i < c.config["num_fc_layers"].get<int64_t>(); ++i)
    config.embed_dims.push_back(rows_of(c, "patch_embed." + std::to_string(3 * i) + ".weight"));
  config.attention_dim = rows_of(c, config.gated ? "global_attn.attention_a.0.weight" : "global_attn.module.0.weight");
  return std::make_unique<mil::Abmil>(config, columns_of(c, "patch_embed.0.weight"), c.config["n_classes"]);
}

Results abmil(const Case& c) {
  const auto head = make_abmil(c);
  MilCase run(c, *head);
  const auto out = head->forward(run.bags, {});
  run.out["attention"] = out.attention_KN[0], run.out["attention_raw"] = out.attention_raw_KN[0];
  run.out["embedding"] = out.embedding_BE[0], run.out["logits"] = out.logits_BC[0];
  return run.finish(mil::cross_entropy(out.logits_BC, run.bags.labels_B).mean());
}

Results abmil_padded(const Case& c) {
  const auto head = make_abmil(c);
  MilCase run(c, *head);
  run.bags = mil::from_padded(run.x, c.at("in.mask"));
  run.out["logits"] = head->forward(run.bags, {}).logits_BC;
  return run.finish(mil::cross_entropy(run.out["logits"], c.at("in.label")).mean());
}

/// The names of AttentionDeepMIL, by ours.
const std::map<std::string, std::string> kBernoulliNames = {{"patch_embed.0", "feature_extractor_part2.0"},
                                                            {"global_attn.module.0", "attention.0"},
                                                            {"global_attn.module.3", "attention.2"},
                                                            {"global_attn.attention_a.0", "attention_V.0"},
                                                            {"global_attn.attention_b.0", "attention_U.0"},
                                                            {"global_attn.attention_c", "attention_w"},
                                                            {"classifier", "classifier.0"}};

std::unique_ptr<mil::Head> make_bernoulli(const Case& c) {
  mil::AbmilConfig config;
  config.gated = c.config["gated"];
  config.embed_dims = {rows_of(c, "feature_extractor_part2.0.weight")};
  config.attention_dim = rows_of(c, config.gated ? "attention_V.0.weight" : "attention.0.weight");
  return std::make_unique<mil::Abmil>(config, columns_of(c, "feature_extractor_part2.0.weight"), 1);
}

Results bernoulli(MilCase& run, mil::Head& head, const Tensor& label) {
  const auto out = head.forward(run.bags, {});
  const auto prediction = mil::predict(out.logits_BC);
  run.out["prob"] = prediction.prob_BC[0], run.out["pred"] = prediction.pred_B, run.out["attention"] = out.attention_KN[0];
  return run.finish(mil::bernoulli_nll(run.out["prob"], label, run.c.config["clamp"]).mean());
}

Results abmil_bernoulli(const Case& c) {
  const auto head = make_bernoulli(c);
  MilCase run(c, *head, kBernoulliNames);
  return bernoulli(run, *head, c.at("in.label"));
}

Results mil_on_bags(const Case& c) {
  const data::BagSet set = data::read_mil_mat(c.find_file(c.config.at("file")));
  const auto head = make_bernoulli(c);
  MilCase run(c, *head, kBernoulliNames);
  const int64_t bag = c.config["bag_index"];
  const Tensor rows = data::rows_of_bag(set, bag);
  run.x = data::standardised(set.instances_ND).index_select(0, rows).to(at::kFloat);
  run.bags.features_ND = run.x, run.bags.offsets = {0, rows.numel()};
  run.out["n_bags"] = scalar_i64(static_cast<int64_t>(set.bag_label.size())), run.out["bag_labels"] = at::tensor(set.bag_label, at::kLong);
  run.out["rows"] = rows, run.out["features"] = run.x;
  run.out["label"] = scalar_i64(set.bag_label[static_cast<size_t>(bag)]);
  return bernoulli(run, *head, run.out["label"]);
}

std::unique_ptr<mil::Clam> make_clam(const Case& c, bool per_class) {
  const json& k = c.config;
  mil::ClamConfig config;
  config.gated = k["gated"], config.k_sample = k["k_sample"], config.subtyping = k["subtyping"], config.inst_loss = k["inst_loss"];
  config.bag_weight = k["bag_weight"], config.compat = "clam";
  config.embed_dim = rows_of(c, "attention_net.0.weight");
  config.attention_dim = rows_of(c, config.gated ? "attention_net.3.attention_a.0.weight" : "attention_net.3.module.0.weight");
  return std::make_unique<mil::Clam>(config, per_class, columns_of(c, "attention_net.0.weight"), k["n_classes"]);
}

mil::RowLoss class_loss(const Case& c, const Tensor& labels) {
  const bool svm = c.config.value("bag_loss", "ce") == "svm";
  return [svm, labels](const Tensor& logits_MC, const Tensor& bag_M) {
    const Tensor y_M = labels.index_select(0, bag_M);
    return svm ? mil::smooth_top1_svm(logits_MC, y_M) : mil::cross_entropy(logits_MC, y_M);
  };
}

Results clam(const Case& c, bool per_class) {
  const auto head = make_clam(c, per_class);
  MilCase run(c, *head);
  const auto detail = head->forward_with_instances(run.bags, {});
  const auto prediction = mil::predict(detail.out.logits_BC);
  const mil::ClamInstances& instances = detail.instances[0];
  const auto row_loss = class_loss(c, run.bags.labels_B);
  run.out["logits"] = detail.out.logits_BC[0], run.out["prob"] = prediction.prob_BC[0], run.out["pred"] = prediction.pred_B;
  run.out["attention_raw"] = detail.out.attention_raw_KN;
  run.out["inst_labels"] = instances.labels_I, run.out["inst_preds"] = instances.preds_I, run.out["instance_loss"] = instances.loss;
  run.out["bag_loss"] = row_loss(detail.out.logits_BC, at::zeros({1}, at::kLong));
  return run.finish(mil::bag_losses(detail.out, row_loss).mean());
}

std::unique_ptr<mil::Head> make_dsmil(const Case& c) {
  mil::DsmilConfig config;
  config.nonlinear = c.config["nonlinear"], config.passing_v = c.config["passing_v"];
  config.query_dim = rows_of(c, config.nonlinear ? "b_classifier.q.2.weight" : "b_classifier.q.weight");
  if (config.nonlinear) config.query_hidden_dim = rows_of(c, "b_classifier.q.0.weight");
  return std::make_unique<mil::Dsmil>(config, columns_of(c, "i_classifier.fc.0.weight"), rows_of(c, "i_classifier.fc.0.weight"));
}

mil::RowLoss one_hot_loss(const Tensor& targets_BC) {
  return [targets_BC](const Tensor& logits_MC, const Tensor& bag_M) { return mil::multi_label_loss(logits_MC, targets_BC.index_select(0, bag_M)); };
}

Results dsmil(const Case& c) {
  const auto head = make_dsmil(c);
  MilCase run(c, *head);
  const auto out = head->forward(run.bags, {});
  const auto row_loss = one_hot_loss(c.at("in.label").unsqueeze(0));
  run.out["instance_logits"] = out.instance_logits_NC, run.out["logits"] = out.logits_BC[0], run.out["attention"] = out.attention_KN.t();
  run.out["bag_embedding"] = out.embedding_BE.view({out.logits_BC.size(1), -1});
  run.out["bag_loss"] = row_loss(out.logits_BC, out.branches[0].bag_M);
  run.out["max_loss"] = row_loss(out.branches[0].logits_MC, out.branches[0].bag_M);
  return run.finish(mil::bag_losses(out, row_loss).mean());
}

mil::NystromOptions nystrom_options(const json& k) {
  mil::NystromOptions o;
  o.heads = k["heads"], o.num_landmarks = k["num_landmarks"], o.pinv_iterations = k["pinv_iterations"], o.pinv_scale = k["pinv_scale"];
  o.residual_conv_kernel = k["residual_conv_kernel"], o.keep = k["keep"];
  return o;
}

Results nystrom_attention(const Case& c) {
  mil::NystromOptions o = nystrom_options(c.config);
  o.dim = c.at("in.x").size(2), o.dim_head = c.config["dim_head"], o.residual = c.config["residual"], o.eps = c.config["eps"];
  mil::NystromAttention attention(o);
  MilCase run(c, *attention);
  return run.finish_with_cotangent(attention(run.x, c.has("in.mask") ? c.at("in.mask") : Tensor()));
}

Results ppeg(const Case& c) {
  mil::Ppeg layer(c.at("in.x").size(2));
  MilCase run(c, *layer);
  return run.finish_with_cotangent(layer(run.x, c.config["height"], c.config["width"]));
}

std::unique_ptr<mil::Head> make_transmil(const Case& c) {
  const json& k = c.config;
  mil::TransMilConfig config;
  config.dim = k["dim"], config.heads = k["heads"], config.num_landmarks = k["num_landmarks"], config.pinv_iterations = k["pinv_iterations"];
  config.residual_conv_kernel = k["residual_conv_kernel"], config.pinv_scale = k["pinv_scale"];
  config.compat = k["keep"] == "first" ? "transmil_0.0.9" : "";
  return std::make_unique<mil::TransMil>(config, columns_of(c, "_fc1.0.weight"), k["n_classes"]);
}

Results transmil(const Case& c) {
  const auto head = make_transmil(c);
  MilCase run(c, *head);
  const auto out = head->forward(run.bags, {});
  run.out["logits"] = out.logits_BC[0], run.out["prob"] = mil::predict(out.logits_BC).prob_BC[0];
  return run.finish(mil::cross_entropy(out.logits_BC, run.bags.labels_B).mean());
}

std::unique_ptr<mil::Head> make_named(const Case& c) {
  const std::string name = c.config["head"];
  if (name == "abmil") return make_abmil(c);
  if (name == "dsmil") return make_dsmil(c);
  if (name == "transmil") return make_transmil(c);
  return make_clam(c, name == "clam_mb");
}

Results varlen_batch(const Case& c) {
  const auto head = make_named(c);
  MilCase run(c, *head);
  const auto out = head->forward(run.bags, {});
  const bool multi_label = c.config["head"] == "dsmil";
  const Tensor labels = run.bags.labels_B;
  const auto row_loss = multi_label ? one_hot_loss(at::one_hot(labels, out.logits_BC.size(1)).to(at::kFloat)) : class_loss(c, labels);
  run.out["logits"] = out.logits_BC, run.out["bag_loss"] = mil::bag_losses(out, row_loss);
  return run.finish(run.out["bag_loss"].mean());
}

Results smooth_top1_svm(const Case& c) {
  MilCase run(c);
  return run.finish(mil::smooth_top1_svm(run.x, c.at("in.label"), {c.config["alpha"], c.config["tau"], c.config["thresh"]}).mean());
}

}  // namespace

std::vector<Row> mil_rows() {
  using enum mil::PooledMlp::Pool;
  return {{"mil.mean_pool", [](const Case& c) { return pooled_mlp(c, kMean); }},
          {"mil.max_pool", [](const Case& c) { return pooled_mlp(c, kMax); }},
          {"mil.max_instance", max_instance},
          {"mil.abmil", abmil},
          {"mil.abmil_padded", abmil_padded},
          {"mil.abmil_bernoulli", abmil_bernoulli},
          {"mil.mil_on_bags", mil_on_bags},
          {"mil.clam_sb", [](const Case& c) { return clam(c, false); }},
          {"mil.clam_mb", [](const Case& c) { return clam(c, true); }},
          {"mil.smooth_top1_svm", smooth_top1_svm},
          {"mil.dsmil", dsmil},
          {"mil.nystrom_attention", nystrom_attention},
          {"mil.ppeg", ppeg},
          {"mil.transmil", transmil},
          {"mil.varlen_batch", varlen_batch}};
}

}  // namespace eosin::golden
