// Heads over bags that are more than pooling, slide encoders, and the losses of slide-level tasks.
#include "tests/golden/mil_case.h"

#include "mil/abmil.h"
#include "mil/acmil.h"
#include "mil/additive.h"
#include "mil/alibi.h"
#include "mil/class_losses.h"
#include "mil/dilated_attention.h"
#include "mil/dtfd.h"
#include "mil/gigapath.h"
#include "mil/heads.h"
#include "mil/ilra.h"
#include "mil/mamba.h"
#include "mil/mhim.h"
#include "mil/rrt.h"
#include "mil/s4.h"
#include "mil/scan.h"
#include "mil/scmil.h"
#include "mil/stamp_alibi.h"
#include "mil/survival_loss.h"
#include "mil/wikg.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

using nlohmann::json;

mil::RowLoss class_loss(const Tensor& labels_B) {
  return [labels_B](const Tensor& logits_MC, const Tensor& bag_M) { return mil::cross_entropy(logits_MC, labels_B.index_select(0, bag_M)); };
}

/// Logits and cross-entropy of a head without further losses.
Results classify(MilCase& run, const mil::HeadOutput& out) {
  if (!run.out.count("logits")) run.out["logits"] = out.logits_BC[0];
  return run.finish(mil::bag_losses(out, class_loss(run.bags.labels_B)).mean());
}

Results additive(const Case& c) {
  mil::AdditiveConfig config;
  config.attention_hidden = c.config["attention_hidden"].get<std::vector<int64_t>>();
  config.classifier_hidden = c.config["classifier_hidden"].get<std::vector<int64_t>>();
  mil::Additive head(config, c.at("in.x").size(1), c.config["n_classes"]);
  MilCase run(c, head);
  const auto out = head.forward(run.bags, {});
  run.out["attention"] = out.attention_KN[0], run.out["patch_logits"] = out.instance_logits_NC, run.out["logits"] = out.logits_BC;
  return classify(run, out);
}

Results dtfd(const Case& c) {
  const json& k = c.config;
  mil::DtfdConfig config;
  config.dim = rows_of(c, "dim_reduction.fc1.weight"), config.attention_dim = rows_of(c, "attention.attention_V.0.weight");
  config.distill = k["distill"], config.joint = k["joint"], config.num_group = k["num_group"], config.num_layer_res = k["num_layer_res"];
  config.total_instance = k["total_instance"];
  mil::Dtfd head(config, columns_of(c, "dim_reduction.fc1.weight"), k["n_classes"]);
  MilCase run(c, head);
  const Tensor offsets = c.at("in.offsets");
  const auto tiers =
      head.forward_partition(run.x, {c.at("in.perm"), {offsets.const_data_ptr<int64_t>(), offsets.const_data_ptr<int64_t>() + offsets.numel()}});
  const auto out = mil::Dtfd::as_output({tiers});
  const auto loss = class_loss(run.bags.labels_B);
  run.out["sub_logits"] = tiers.sub_logits_GC, run.out["distilled"] = tiers.distilled_ME, run.out["logits"] = tiers.logits_C;
  run.out["loss_tier1"] = loss(out.branches[0].logits_MC, out.branches[0].bag_M).mean();
  run.out["loss_tier2"] = loss(out.logits_BC, at::zeros({1}, at::kLong)).mean();
  return classify(run, out);
}

Results acmil(const Case& c) {
  const json& k = c.config;
  mil::AcmilConfig config;
  config.dim = rows_of(c, "dimreduction.fc1.weight"), config.attention_dim = rows_of(c, "attention.attention_V.0.weight");
  config.n_token = k["n_token"], config.n_masked_patch = k["n_masked_patch"], config.mask_drop = k["mask_drop"];
  mil::Acmil head(config, columns_of(c, "dimreduction.fc1.weight"), k["n_classes"]);
  MilCase run(c, head);
  std::vector<Tensor> noise;
  if (c.has("in.noise")) noise.push_back(c.at("in.noise"));
  const auto out = head.forward_with_noise(run.bags, noise);
  const auto loss = class_loss(run.bags.labels_B);
  const bool branches = !out.branches.empty();
  run.out["attention_raw"] = out.attention_raw_KN, run.out["loss_slide"] = loss(out.logits_BC, at::zeros({1}, at::kLong)).mean();
  run.out["sub_logits"] = branches ? out.branches[0].logits_MC : head.branch_logits(out.embedding_BE.unsqueeze(1));
  run.out["loss_branch"] = branches ? loss(out.branches[0].logits_MC, out.branches[0].bag_M).mean() : at::zeros({});
  run.out["loss_diversity"] = branches ? out.losses[0].loss_B.mean() : at::zeros({});
  return classify(run, out);
}

Results ilra(const Case& c) {
  mil::IlraConfig config;
  config.dim = c.at("param.pooling.S").size(2), config.num_heads = c.config["num_heads"], config.rank = c.config["rank"];
  config.num_layers = c.config["num_layers"], config.ln = c.config["ln"];
  mil::Ilra head(config, c.at("in.x").size(1), c.config["n_classes"]);
  MilCase run(c, head);
  return classify(run, head.forward(run.bags, {}));
}

/// Attention pooling of MHIM and R2T: no layer before it, no biases inside.
config::Choice plain_abmil(const json& k, int64_t attention_dim, const std::vector<int64_t>& embed_dims) {
  config::Choice head(mil::head_table(), "abmil");
  auto& config = dynamic_cast<config::ConfigOf<mil::AbmilConfig>&>(head.config()).value;
  config.embed_dims = embed_dims, config.attention_dim = attention_dim, config.attention_bias = false, config.attention_act = k["da_act"];
  return head;
}

Results rrt(const Case& c) {
  const json& k = c.config;
  mil::RrtConfig config;
  config.dim = rows_of(c, "patch_to_emb.0.weight"), config.heads = k["heads"], config.region_num = k["region_num"], config.epeg_k = k["epeg_k"];
  config.crmsa_k = k["crmsa_k"], config.crmsa_heads = k["crmsa_heads"], config.crmsa_mlp = k["crmsa_mlp"], config.all_shortcut = k["all_shortcut"];
  config.head = plain_abmil(k, rows_of(c, "pool_fn.attention.attention.0.weight"), {});
  mil::Rrt head(config, columns_of(c, "patch_to_emb.0.weight"), k["n_classes"]);
  MilCase run(c, head,
              {{"head.global_attn.module.0", "pool_fn.attention.attention.0"},
               {"head.global_attn.module.3", "pool_fn.attention.attention.2"},
               {"head.classifier", "predictor"}});
  const Tensor reembedded = head.reembed(run.bags, {});
  const auto out = head.head().forward(mil::with_features(run.bags, reembedded), {});
  run.out["reembedded"] = reembedded, run.out["attention"] = out.attention_KN[0];
  return classify(run, out);
}

Results mhim(const Case& c) {
  const json& k = c.config;
  mil::MhimConfig config;
  config.alpha = k["alpha"], config.momentum = k["momentum"], config.temp_t = k["temp_t"], config.temp_s = k["temp_s"];
  config.head = plain_abmil(k, rows_of(c, "student.online_encoder.attention.attention.0.weight"), {rows_of(c, "student.patch_to_emb.0.weight")});
  mil::Mhim head(config, columns_of(c, "student.patch_to_emb.0.weight"), k["n_classes"]);
  MilCase::Names names;
  for (const std::string net : {"student.", "teacher."}) {
    names[net + "patch_embed.0"] = net + "patch_to_emb.0", names[net + "classifier"] = net + "predictor";
    names[net + "global_attn.module.0"] = net + "online_encoder.attention.attention.0";
    names[net + "global_attn.module.3"] = net + "online_encoder.attention.attention.2";
  }
  MilCase run(c, head, names);
  const auto detail = head.forward_kept(run.bags, head.ask_teacher(run.bags, {}), {c.at("in.keep")}, {});
  run.out["teacher_feature"] = detail.teacher.embedding_BE[0], run.out["teacher_attention"] = detail.teacher.attention_KN[0];
  run.out["consistency"] = detail.consistency_B[0];
  run.out["ce"] = class_loss(run.bags.labels_B)(detail.out.logits_BC, at::zeros({1}, at::kLong))[0];
  Results results = classify(run, detail.out);
  head.after_update({});
  for (const auto& p : head.named_parameters())
    if (const std::string name = run.theirs(p.key()); name.starts_with("teacher.")) results["out.ema." + name.substr(8)] = p.value();
  return results;
}

mil::MhimRatios ratios_of(const json& k) { return {k["ratio_random"], k["ratio_low"], k["ratio_high"], k["high_keep_fraction"]}; }

Results mhim_mask(const Case& c) {
  const Tensor attention = c.at("in.attention");
  const auto given = [&](const char* name) { return c.has(name) ? c.at(name) : Tensor(); };
  const auto mask =
      mil::mhim_mask(attention.dim() == 3 ? attention[0] : attention, ratios_of(c.config), {given("in.perm_random"), given("in.perm_high")});
  return {{"out.masked", mask.masked}, {"out.kept", mask.kept}};
}

Results mhim_score(const Case& c) {
  return {{"out.score", mil::mhim_score(c.at("in.feature"), c.at("in.attention"), c.at("param.weight"), c.at("param.bias"))}};
}

Results mhim_merge(const Case& c) {
  mil::MhimMergeImpl::Options o;
  o.dim = c.at("in.x").size(1), o.k = c.config["k"], o.heads = c.config["heads"], o.dim_head = c.config["dim_head"];
  o.merge_ratio = c.config["merge_ratio"], o.momentum = c.config["momentum"];
  mil::MhimMerge merge(o);
  MilCase run(c, *merge);
  Results results = run.finish_with_cotangent(merge(run.x, c.at("in.noise")));
  merge->update();
  results["out.global_q"] = merge->queries();
  return results;
}

Results supcon(const Case& c) {
  MilCase run(c);
  return run.finish(mil::supcon(run.leaf("u"), c.at("in.label"), c.config["temperature"]).mean());
}

/// A bag of one instance whose vector is the instance.
Results scmil(const Case& c) {
  mil::ScmilConfig config;
  config.embed_dim = c.at("in.embedding").size(1), config.proj_hidden_dim = rows_of(c, "proj.0.weight"),
  config.proj_dim = rows_of(c, "proj.2.weight");
  config.temperature = c.config["temperature"], config.schedule = c.config["schedule"];
  config.head = plain_abmil({{"da_act", "relu"}}, 1, {});
  mil::Scmil head(config, config.embed_dim, rows_of(c, "classifier.weight"));
  MilCase run(c, head, {{"head.classifier", "classifier"}}, MilCase::Absent::kKept);
  run.bags.features_ND = run.leaf("embedding");
  run.bags.labels_B = c.at("in.label");
  for (int64_t b = 1; b <= run.bags.features_ND.size(0); ++b) run.bags.offsets.push_back(b);
  mil::Pass pass;
  pass.progress = c.config["epoch"].get<double>() / c.config["epochs"].get<double>();
  const auto out = head.forward(run.bags, pass);
  run.out["beta"] = scalar_f64(mil::contrast_weight(config.schedule, pass.progress)), run.out["supcon"] = out.losses.back().loss_B.mean();
  run.out["logits"] = out.logits_BC, run.out["ce"] = mil::cross_entropy(out.logits_BC, run.bags.labels_B).mean();
  return classify(run, out);
}

Results wikg(const Case& c) {
  const json& k = c.config;
  mil::WikgConfig config;
  config.variant = k["variant"], config.topk = k["topk"], config.agg_type = k["agg_type"], config.pool = k["pool"],
  config.gate_product = k["gate_product"];
  config.dim = rows_of(c, "W_head.weight"), config.compat = "wikg";
  if (config.pool == "attn") config.readout_dim = rows_of(c, "readout.gate_nn.0.weight");
  mil::Wikg head(config, c.at("in.x").size(1), k["n_classes"]);
  MilCase run(c, head);
  return classify(run, head.forward(run.bags, {}));
}

Results s4(const Case& c) {
  mil::S4Config config;
  config.dim = rows_of(c, "_fc1.0.weight"), config.d_state = c.config["d_state"], config.act = c.config["act"];
  mil::S4Mil head(config, columns_of(c, "_fc1.0.weight"), c.config["n_classes"]);
  MilCase run(c, head);
  run.out["tokens"] = head.tokens(run.bags, {});
  return classify(run, head.forward(run.bags, {}));
}

Results mamba(const Case& c) {
  const json& k = c.config;
  mil::MambaConfig config;
  config.dim = rows_of(c, "_fc1.0.weight"), config.attention_dim = rows_of(c, "attention.0.weight"), config.layers = k["layers"],
  config.type = k["type"];
  config.rate = k["rate"], config.d_state = k["d_state"], config.d_conv = k["d_conv"], config.expand = k["expand"];
  mil::MambaMil head(config, columns_of(c, "_fc1.0.weight"), k["n_classes"]);
  MilCase run(c, head);
  return classify(run, head.forward(run.bags, {}));
}

Results selective_scan(const Case& c) {
  MilCase run(c);
  mil::ScanInputs in;
  in.u_BdL = run.leaf("u"), in.delta_BdL = run.leaf("delta"), in.a_dn = run.leaf("A"), in.b_BnL = run.leaf("B"), in.c_BnL = run.leaf("C");
  if (c.has("in.D")) in.d_d = run.leaf("D");
  if (c.has("in.delta_bias")) in.delta_bias_d = run.leaf("delta_bias");
  if (c.has("in.z")) in.z_BdL = run.leaf("z");
  in.delta_softplus = c.config["delta_softplus"];
  return run.finish_with_cotangent(mil::selective_scan(in));
}

Results longnet_dilated(const Case& c) {
  mil::DilatedOptions o;
  o.dim = c.at("in.x").size(2), o.heads = c.config["heads"], o.subln = c.config["subln"], o.layernorm_eps = c.config["layernorm_eps"];
  o.segment_length = c.config["segment_length"].get<std::vector<int64_t>>(), o.dilated_ratio = c.config["dilated_ratio"].get<std::vector<int64_t>>();
  mil::DilatedAttention attention(o);
  MilCase run(c, *attention);
  return run.finish_with_cotangent(attention(run.x));
}

Results gigapath_pos_embed(const Case& c) {
  const auto p = mil::embed_positions(mil::grid_of(c.at("in.coords"), c.config["tile_size"]), c.config["slide_ngrids"], c.config["dim"]);
  return {{"out.pos", p.position_N}, {"out.embedding", p.embedding_NE}};
}

Results gigapath_slide_encoder(const Case& c) {
  const json& k = c.config;
  mil::GigapathConfig config;
  config.dim = c.at("param.cls_token").size(2), config.depth = k["depth"], config.heads = k["heads"], config.ffn_dim = k["ffn_dim"];
  config.slide_ngrids = k["slide_ngrids"], config.tile_size = k["tile_size"], config.global_pool = k["global_pool"], config.compat = "gigapath";
  config.segment_length = k["segment_length"].get<std::vector<int64_t>>(), config.dilated_ratio = k["dilated_ratio"].get<std::vector<int64_t>>();
  mil::Gigapath head(config, c.at("in.x").size(1), 1);
  MilCase run(c, head, {}, MilCase::Absent::kKept);
  run.bags.coords_N2 = c.at("in.coords");
  return run.finish_with_cotangent(head.encode(run.bags)[0]);
}

Results titan_alibi_2d(const Case& c) {
  MilCase run(c);
  run.out["slopes"] = mil::alibi_slopes(c.config["heads"]);
  return run.finish_with_cotangent(mil::alibi_attention(run.leaf("q"), run.leaf("k"), run.leaf("v"), c.at("in.grid"), run.out["slopes"]));
}

Results stamp_alibi(const Case& c) {
  mil::StampAlibi attention(c.at("in.x").size(1), c.config["heads"]);
  MilCase run(c, *attention);
  const auto given = [&](const char* name) { return c.has(name) ? c.at(name) : Tensor(); };
  return run.finish_with_cotangent(attention(run.x, c.at("in.coords"), given("in.attn_mask"), given("in.alibi_mask")));
}

Tensor reduced(const Tensor& losses_B, const json& k) { return k.value("reduction", "mean") == "sum" ? losses_B.sum() : losses_B.mean(); }

Results nll_discrete(const Case& c) {
  MilCase run(c);
  const Tensor logits = run.leaf("logits");
  const auto hazards = mil::discrete_hazards(logits);
  run.out["hazards"] = hazards.hazards_BK, run.out["survival"] = hazards.survival_BK, run.out["risk"] = hazards.risk_B;
  return run.finish(reduced(mil::nll_discrete(logits, c.at("in.y"), c.at("in.c"), {c.config["alpha"], c.config["eps"]}), c.config));
}

Results ce_discrete(const Case& c) {
  MilCase run(c);
  return run.finish(mil::ce_discrete(run.leaf("logits"), c.at("in.y"), c.at("in.c"), {c.config["alpha"], c.config["eps"]}).mean());
}

Results cox(const Case& c) {
  MilCase run(c);
  const Tensor strata = c.has("in.strata") ? c.at("in.strata") : Tensor();
  return run.finish(mil::cox_loss(run.leaf("log_hz"), c.at("in.event"), c.at("in.time"), strata, {c.config["ties"], c.config["reduction"]}));
}

Results discretise(const Case& c) {
  const Tensor time = c.at("in.time"), censored = c.at("in.censored");
  const std::vector<double> times(time.const_data_ptr<double>(), time.const_data_ptr<double>() + time.numel());
  const std::vector<bool> hidden(censored.const_data_ptr<int64_t>(), censored.const_data_ptr<int64_t>() + censored.numel());
  const auto bins = mil::cut_time_bins(times, hidden, c.config["n_bins"], c.config["eps"]);
  std::vector<int64_t> labels;
  for (const double t : times) labels.push_back(bins.bin_of(t));
  return {{"out.edges", at::tensor(bins.edges, at::kDouble)}, {"out.label", at::tensor(labels, at::kLong)}};
}

}  // namespace

std::vector<Row> mil_parts_rows() {
  return {{"mil.additive", additive},
          {"mil.dtfd", dtfd},
          {"mil.acmil", acmil},
          {"mil.ilra", ilra},
          {"mil.rrt", rrt},
          {"mil.mhim", mhim},
          {"mil.mhim_mask", mhim_mask},
          {"mil.mhim_score", mhim_score},
          {"mil.mhim_merge", mhim_merge},
          {"mil.supcon", supcon},
          {"mil.scmil", scmil},
          {"mil.wikg", wikg},
          {"mil.s4", s4},
          {"mil.mamba", mamba},
          {"mil.selective_scan", selective_scan},
          {"mil.longnet_dilated", longnet_dilated},
          {"mil.gigapath_pos_embed", gigapath_pos_embed},
          {"mil.gigapath_slide_encoder", gigapath_slide_encoder},
          {"mil.titan_alibi_2d", titan_alibi_2d},
          {"mil.stamp_alibi", stamp_alibi},
          {"survival.nll_discrete", nll_discrete},
          {"survival.ce_discrete", ce_discrete},
          {"survival.cox", cox},
          {"survival.discretise", discretise}};
}

}  // namespace eosin::golden
