#include "ssl/msn_loss.h"

#include "core/base/error.h"
#include "core/tensor/gather.h"
#include "core/tensor/precision.h"
#include "ssl/sinkhorn.h"
#include "ssl/unit_rows.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::ssl {
namespace {

Tensor similarities(const Tensor& rows_ND, const Tensor& prototypes_KD) {
  EOSIN_CHECK(rows_ND.dim() == 2 && prototypes_KD.dim() == 2 && rows_ND.size(1) == prototypes_KD.size(1), Shape,
              "[msn] embeddings of [{}] and prototypes of [{}] differ in width", fmt::join(rows_ND.sizes().vec(), ", "),
              fmt::join(prototypes_KD.sizes().vec(), ", "));
  return unit_rows(rows_ND).mm(unit_rows(prototypes_KD).t());
}

}  // namespace

Tensor msn_targets(const Tensor& targets_BD, const Tensor& prototypes_KD, const MsnLossOptions& options, Comm& comm) {
  const at::NoGradGuard no_grad;
  const FullPrecision full;
  const double sharpened = options.temperature * options.sharpen_temperature;  // a power of a softmax is a colder softmax
  const Tensor log_y_BK = at::log_softmax(similarities(targets_BD, prototypes_KD) / sharpened, -1);
  return options.sinkhorn_iterations == 0 ? log_y_BK.exp() : sinkhorn(log_y_BK, 1.0, options.sinkhorn_iterations, comm);
}

MsnTerms msn_loss(const Tensor& anchors_ND, const Tensor& prototypes_KD, const Tensor& targets_BK, const MsnLossOptions& options,
                  const std::shared_ptr<Comm>& comm) {
  const FullPrecision full;
  const Tensor log_p_NK = at::log_softmax(similarities(anchors_ND, prototypes_KD) / options.temperature, -1);
  const int64_t rows = log_p_NK.size(0), prototypes = log_p_NK.size(1), images = targets_BK.size(0);
  EOSIN_CHECK(images > 0 && rows % images == 0 && targets_BK.size(1) == prototypes, Shape,
              "[msn] {} anchors are no whole views of targets [{}] with {} prototypes", rows, fmt::join(targets_BK.sizes().vec(), ", "), prototypes);
  const Tensor log_p_VBK = log_p_NK.view({rows / images, images, prototypes});
  const Tensor mean_K = gather_rows(log_p_NK.exp().mean(0, true), comm).mean(0);
  const Tensor entropy = -at::xlogy(mean_K, mean_K).sum();
  return {-(log_p_VBK * targets_BK).sum() / static_cast<double>(rows), options.memax_weight * (std::log(static_cast<double>(prototypes)) - entropy)};
}

}  // namespace eosin::ssl
