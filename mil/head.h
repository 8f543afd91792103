#pragma once
// What a slide-level head is to a trainer: bags in; logits, attention and whatever else it learns by out. A head owns no loss, no
// optimizer, no data and no hidden randomness, so that any task can train it and many heads can share one reading of a bag.
#include "mil/bags.h"

#include <torch/nn/module.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace eosin::mil {

/// Random draws are functions of this and of nothing else: bag b of a batch draws at position + b, so that a packed batch draws what
/// its bags would draw alone.
struct DrawKey {
  uint64_t seed = 0, position = 0;
};

/// What a pass is told beside the bags. Without draws it is an evaluation: no dropout, no masks, no random parts.
struct Pass {
  std::optional<DrawKey> draws;
  double progress = 0;  // done part of the run, 0 to 1, for what a head changes on the way
};
/// The pass of bag b alone.
Pass pass_of_bag(const Pass& pass, int64_t b);

/// Logits that are trained by the task's own loss beside the bag's: pseudo-bags, branches, the best instance. bag_M says whose they are.
struct BranchLogits {
  std::string name;
  double weight = 1;
  Tensor logits_MC, bag_M;
};
/// A loss of the head's own, one value a bag.
struct BagLoss {
  std::string name;
  double weight = 1;
  Tensor loss_B;
};

struct HeadOutput {
  Tensor logits_BC;
  Tensor embedding_BE;              // what the classifier sees
  Tensor attention_KN;              // over each bag's instances it sums to 1 in every row; undefined where a head has none
  Tensor attention_raw_KN;          // before the softmax
  bool attention_by_class = false;  // row k of the attention is class k's
  Tensor instance_logits_NC;        // of heads that score instances
  double logits_weight = 1;         // of the task's loss on logits_BC
  std::vector<BranchLogits> branches;
  std::vector<BagLoss> losses;
};

class Head : public torch::nn::Module {
 public:
  /// Errors   those of check_bags.
  virtual HeadOutput forward(const BagBatch& bags, const Pass& pass) = 0;
  /// All initial weights as a function of the seed and their names.
  virtual void init_weights(uint64_t seed) = 0;
  /// Moving averages. Called once a step, after the optimizer.
  virtual void after_update(const Pass& pass) { (void)pass; }
};

/// A task's loss of rows: logits_MC and the number of each row's bag -> losses_M.
using RowLoss = std::function<Tensor(const Tensor& logits_MC, const Tensor& bag_M)>;
/// What each bag adds to the total: the task's loss of its logits and (as a mean) of each of its branches, and the head's own, weighted.
/// The gradients of different bags do not mix except where a head's own loss compares them.
///
/// Shapes   [B].
/// Checked  golden mil.varlen_batch.
Tensor bag_losses(const HeadOutput& out, const RowLoss& row_loss);

struct Prediction {
  Tensor prob_BC, pred_B;
};
/// Softmax and the most likely class, the lower index of equal ones; of a single output its sigmoid, and whether that is at least 0.5.
Prediction predict(const Tensor& logits_BC);

}  // namespace eosin::mil
