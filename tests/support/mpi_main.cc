// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <memory>

#include "collectives/mpi/mpi_bootstrap.h"
#include "kernels/base/error.h"
#include "tests/support/mpi_world.h"

namespace cadmus {
namespace {

Bootstrap* the_world = nullptr;

// What ranks other than 0 print: failures alone.
class FailurePrinter final : public ::testing::EmptyTestEventListener {
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::cerr << StrCat("rank ", the_world->rank(), ": ",
                        test == nullptr ? "" : StrCat(test->test_suite_name(), ".", test->name()),
                        "\n", result.file_name() == nullptr ? "" : result.file_name(), ":",
                        result.line_number(), ": ", result.summary(), "\n");
  }
};

}  // namespace

Bootstrap& MpiWorld() { return *the_world; }

}  // namespace cadmus

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  const std::unique_ptr<cadmus::Bootstrap> world = cadmus::StartMpi();
  cadmus::the_world = world.get();
  cadmus::SetRankLabel(cadmus::StrCat("rank ", world->rank()));
  if (world->rank() != 0) {
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new cadmus::FailurePrinter);
  }
  return RUN_ALL_TESTS();
}
