#pragma once
#include "core/base/error.h"

#include <gtest/gtest.h>

#include <string>

namespace eosin {

/// The text of the Error that `f` throws; the test fails if there is none or it is of another kind.
template <class F>
std::string message_of(F&& f, ErrorKind kind) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

}  // namespace eosin
