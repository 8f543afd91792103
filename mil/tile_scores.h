#pragma once
// What a head says of the tiles of a bag, in the one form that heat maps and lists of tiles are made of.
#include "mil/head.h"

#include <optional>
#include <string>

namespace eosin::mil {

struct TileScores {
  std::string kind;       // "attention", "class attention" or "tile logit"
  bool by_class = false;  // a row is a class's; else there is one row
  Tensor score_KN;        // what tiles are ranked by, higher is more; attention before its softmax where the head tells
  Tensor attention_KN;    // the same rows as weights that sum to 1; undefined for logits
};

/// What to take: Auto is what tells classes apart if the head has that (a row of attention a class, then the tiles' own logits, which are
/// the contributions of additive heads), else the attention that they share.
enum class TileScoreKind { Auto, Attention, Logits };

/// Scores of one bag's tiles from an evaluation of the head. Branches of attention that are no classes count with the mean of their weights; of
/// two classes with one logit it is the second's and, negative, the first's; logits that are no classes (ordinal, hazards) are averaged. Where a
/// head lacks the kind asked for it is the other; nothing if it has neither.
///
/// Shapes   n_classes is 0 in survival.
/// Checked  tests/mil/test_tile_scores.cpp.
std::optional<TileScores> tile_scores(const HeadOutput& out, int64_t n_classes, TileScoreKind kind = TileScoreKind::Auto);

}  // namespace eosin::mil
