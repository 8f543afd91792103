#include "core/base/name_order.h"

#include <gtest/gtest.h>

namespace eosin {
namespace {

using Names = std::vector<std::string>;

Names ordered(Names names) {
  order_names(names);
  return names;
}

TEST(NameOrder, NumbersByValueAndOtherTextsByBytes) {
  EXPECT_EQ(ordered({"10", "9", "-1", "02", "2"}), (Names{"-1", "02", "2", "9", "10"}));
  EXPECT_EQ(ordered({"10", "9", "none"}), (Names{"10", "9", "none"}));
  EXPECT_EQ(ordered({"b", "B", "a"}), (Names{"B", "a", "b"}));
  EXPECT_EQ(ordered({}), Names{});
}

}  // namespace
}  // namespace eosin
