#pragma once
// Measures of predicted classes. All but top-k are functions of the (weighted) confusion matrix.
#include "eval/input.h"

#include <optional>
#include <string>
#include <vector>

namespace eosin::eval {

/// Weighted share of samples whose prediction is the target.
///
/// Errors   Data: no samples, lengths differ, a label outside the classes.
/// Checked  golden eval.accuracy.
double accuracy(Labels target, Labels pred, int64_t num_classes, Weights weight = {});
/// Weighted share of samples whose target is among the k highest scores (equal scores: the lower class first).
///
/// Shapes   score [N, num_classes].
/// Errors   as accuracy; Data if a score is not finite; Config if k is not in 1 ... num_classes.
/// Checked  golden eval.accuracy.
double top_k_accuracy(Labels target, MatrixView score, int64_t k, Weights weight = {});

/// m(i, j) = weight of the samples of class i that were predicted as class j.
Matrix confusion(Labels target, Labels pred, int64_t num_classes, Weights weight = {});

enum class Normalize { None, True, Pred, All };
/// Rows (True), columns (Pred) or the total (All) sum to 1; 0/0 is 0.
///
/// Checked  golden eval.confusion.
Matrix normalize(Matrix confusion, Normalize how);

/// Mean recall over the classes that occur in the target (Brodersen et al. 2010); `adjusted`: 0 is chance, 1 perfect.
///
/// Errors   Numeric if adjusted and a single class occurs.
/// Checked  golden eval.balanced_accuracy.
double balanced_accuracy(const Matrix& confusion, bool adjusted = false);

enum class Average { None, Macro, Weighted, Micro, Binary };
struct F1Options {
  Average average = Average::Macro;
  bool present_only = false;  // only the classes that occur in target or prediction
  int64_t pos_label = 1;      // Average::Binary
  double zero_division = 0;   // value of 0/0
};
/// One element, or with Average::None one a class.
struct PrecisionRecallF1 {
  std::vector<double> precision, recall, f1;
};
/// Precision TP/(TP+FP), recall TP/(TP+FN), F1 2TP/(2TP+FP+FN). Macro F1 is the mean of the classes' F1.
///
/// Differs  zero_division holds for F1 only where TP, FP and FN are all 0.
/// Checked  golden eval.f1.
PrecisionRecallF1 precision_recall_f1(const Matrix& confusion, const F1Options& options = {});

enum class KappaWeights { None, Linear, Quadratic };
/// Cohen's kappa 1 - sum(w O) / sum(w E) (Cohen 1960, 1968); absent where the expected disagreement is 0.
///
/// Checked  golden eval.cohen_kappa.
std::optional<double> cohen_kappa(const Matrix& confusion, KappaWeights weights = KappaWeights::None);

/// Matthews' correlation for any number of classes (Gorodkin 2004, R_K); 0 where it is undefined.
///
/// Checked  golden eval.mcc.
double matthews_correlation(const Matrix& confusion);

}  // namespace eosin::eval
