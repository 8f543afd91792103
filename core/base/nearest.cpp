#include "core/base/config.h"

#include <algorithm>

namespace eosin::config {
namespace {

/// Optimal string alignment: insert, delete, replace, or swap neighbours, each at cost 1.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

std::string without_marks(std::string_view word) {
  std::string bare(word);
  std::erase_if(bare, [](char c) { return c == '_' || c == '-'; });
  return bare;
}

/// A forgotten underscore is no mistake in a letter: `imagesize` is two letters from image_size_px, not four.
size_t letters_apart(std::string_view a, std::string_view b) { return std::min(distance(a, b), distance(without_marks(a), without_marks(b))); }

}  // namespace

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  size_t best = std::min<size_t>(word.size() / 2 + 1, 3) + 1;
  std::optional<std::string> found;
  for (const std::string& candidate : known) {
    if (const size_t d = letters_apart(word, candidate); d < best) {
      best = d;
      found = candidate;
    }
  }
  return found;
}

}  // namespace eosin::config
