// SPDX-License-Identifier: Apache-2.0
// The text of the configuration error that a call throws.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/base/error.h"

namespace cadmus {

template <class Call>
std::string ConfigErrorOf(Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kConfig);
    return error.message();
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace cadmus
