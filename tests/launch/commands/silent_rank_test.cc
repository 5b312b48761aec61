// SPDX-License-Identifier: Apache-2.0
// A rank that stops answering is noticed by the others within the time limit of the config, who say
// whom they wait for, in which operation of which group.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>

#include "kernels/base/str_cat.h"
#include "tests/launch/commands/run_fixture.h"

namespace cadmus {
namespace {

using Clock = std::chrono::steady_clock;
using testing::HasSubstr;

class SilentRank : public RunFixture {};

TEST_F(SilentRank, IsNamedWithinTwiceTheTimeLimitAndWhatIsSavedStays) {
  constexpr std::chrono::seconds kLimit(2);
  Process process(TrainCommand({"train.steps=1000000", "checkpoint.interval_steps=10",
                                StrCat("communication.time_limit_seconds=", kLimit.count())},
                               2));
  process.AwaitError("saved ");
  process.AwaitError("step 15/");
  const std::vector<pid_t> ranks = process.Ranks("cadmus");
  ASSERT_EQ(ranks.size(), 2u);
  const Clock::time_point stopped = Clock::now();
  ::kill(ranks[1], SIGSTOP);
  process.AwaitError("communication error");
  EXPECT_LE(Clock::now() - stopped, 2 * kLimit);

  const CommandResult result = process.Wait();  // mpirun ends the stopped rank
  EXPECT_EQ(result.exit_code, 6) << result.err;
  EXPECT_THAT(result.err, HasSubstr("group dp_replicate"));
  EXPECT_THAT(result.err, HasSubstr("all-reduce"));
  EXPECT_THAT(result.err, HasSubstr("rank 0 has waited"));
  EXPECT_THAT(result.err, HasSubstr("for rank 1"));
  const CommandResult verify = Cadmus({"ckpt", "verify", run_folder().string()});
  EXPECT_EQ(verify.exit_code, 0) << verify.err;
}

}  // namespace
}  // namespace cadmus
