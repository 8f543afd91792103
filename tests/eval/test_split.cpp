#include "core/base/error.h"
#include "eval/split.h"

#include <gtest/gtest.h>

#include <map>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;

TEST(GroupFolds, NeverPutAGroupInTwoFoldsAndSpreadTheClasses) {
  Ints target, group;
  for (int64_t g = 0; g < 47; ++g)
    for (int64_t i = 0; i < 1 + g % 5; ++i) target.push_back(g % 3), group.push_back(100 + g);
  const Folds f = group_folds(target, group, 3, 5);
  std::map<int64_t, int64_t> fold_of;
  for (size_t i = 0; i < group.size(); ++i) EXPECT_EQ(fold_of.emplace(group[i], f.fold[i]).first->second, f.fold[i]);
  for (int64_t fold = 0; fold < 5; ++fold)
    for (int64_t c = 0; c < 3; ++c) EXPECT_GT(f.count(fold, c), 0);
}

TEST(GroupFolds, RefuseWhatCannotBeSplit) {
  EXPECT_THROW(group_folds(Ints{0, 1, 0}, Ints{1, 1, 1}, 2, 2), Error);
  EXPECT_THROW(group_folds(Ints{0, 1, 0}, Ints{1, 2}, 2, 2), Error);
  EXPECT_THROW(group_folds(Ints{0, 1, 2}, Ints{1, 2, 3}, 3, 2), Error);
  EXPECT_THROW(group_folds(Ints{0, 1}, Ints{1, 2}, 2, 1), Error);
}

TEST(GroupOverlap, NamesTheGroupsInTwoParts) {
  const auto o = group_overlap(Ints{7, 8, 7, 9, 9}, Ints{0, 0, 1, 1, 2});
  EXPECT_EQ(o[0], Ints{7});
  EXPECT_TRUE(o[1].empty());
  EXPECT_EQ(o[2], Ints{9});
  EXPECT_THROW(group_overlap(Ints{1}, Ints{3}), Error);
}

}  // namespace
}  // namespace eosin::eval
