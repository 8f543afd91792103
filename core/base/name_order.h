#pragma once
#include <string>
#include <vector>

namespace eosin {

/// Puts names in the order in which people list them: by value if all are whole numbers, else by bytes. It numbers classes everywhere alike.
/// Checked  tests/base/test_name_order.cpp.
void order_names(std::vector<std::string>& names);

}  // namespace eosin
