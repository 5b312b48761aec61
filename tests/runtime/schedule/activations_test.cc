// SPDX-License-Identifier: Apache-2.0
// Peaks of activations are those that the schedules are known for.
#include "runtime/schedule/activations.h"

#include <gtest/gtest.h>

#include "runtime/schedule/parameter_fetches.h"
#include "tests/runtime/schedule/schedule_samples.h"

namespace cadmus {
namespace {

ActivationPeaks PeaksOf(ScheduleKind kind, const ScheduleSize& size, int rank) {
  return PeakActivations(MakeSchedule(kind, size).actions[static_cast<size_t>(rank)]);
}

TEST(Activations, PeaksOfTheBuiltInSchedules) {
  constexpr int kMicroBatches = 40;
  for (const int p : {1, 2, 4, 7, 8}) {
    for (int rank = 0; rank < p; ++rank) {
      const ActivationPeaks gpipe = PeaksOf(ScheduleKind::kGPipe, {p, 1, kMicroBatches}, rank);
      EXPECT_EQ(gpipe.until_backward_input, kMicroBatches);
      EXPECT_EQ(gpipe.until_backward_weight, kMicroBatches);

      const ActivationPeaks one =
          PeaksOf(ScheduleKind::kOneForwardOneBackward, {p, 1, kMicroBatches}, rank);
      EXPECT_EQ(one.until_backward_input, p - rank);
      EXPECT_EQ(one.until_backward_weight, p - rank);

      // Narayanan et al. 2021: (v − 1)·p + 2(p − 1 − r) + 1, in chunks, with full rounds.
      const ActivationPeaks interleaved = PeaksOf(ScheduleKind::kInterleaved, {p, 3, 5 * p}, rank);
      EXPECT_EQ(interleaved.until_backward_weight, 2 * p + 2 * (p - 1 - rank) + 1);

      // 1F1B's first rank everywhere: the weight gradients lag behind.
      const ActivationPeaks zb_h1 = PeaksOf(ScheduleKind::kZbH1, {p, 1, kMicroBatches}, rank);
      EXPECT_EQ(zb_h1.until_backward_input, p - rank);
      EXPECT_EQ(zb_h1.until_backward_weight, p);

      // Of 2p stages: the same 1F1B memory, and one more for DualPipeV (PP + 1).
      EXPECT_EQ(PeaksOf(ScheduleKind::kZbV, {p, 2, kMicroBatches}, rank).until_backward_weight,
                2 * p);
      EXPECT_LE(
          PeaksOf(ScheduleKind::kDualPipeV, {p, 2, kMicroBatches}, rank).until_backward_weight,
          2 * p + 1);
    }
  }
}

TEST(Activations, OfOneChunkAndOfSplitPasses) {
  const std::vector<Action> actions =
      MakeSchedule(ScheduleKind::kInterleaved, {2, 2, 4}).actions[0];
  const int first = MaxInFlight(actions, 0);
  const int second = MaxInFlight(actions, 1);
  EXPECT_EQ(first, 4);
  EXPECT_EQ(second, 2);
  EXPECT_EQ(MaxInFlight(actions, 2), 0);
  const std::vector<Action> split = WithParameterFetches(actions, std::vector<int>{3, 2}, 1);
  EXPECT_EQ(MaxInFlight(split, 0), first);
  EXPECT_EQ(MaxInFlight(split, 1), second);
  EXPECT_EQ(PeakActivations(split).until_backward_input,
            PeakActivations(actions).until_backward_input);
}

}  // namespace
}  // namespace cadmus
