// SPDX-License-Identifier: Apache-2.0
// Sends are released as early as their receipt is certain, and no earlier: held against an
// execution in which every other rank does only what this rank waits for.
#include "runtime/schedule/send_releases.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "runtime/schedule/schedules.h"

namespace cadmus {
namespace {

// Runs a schedule on demand: a rank's actions only when somebody needs them.
class LazyRun {
 public:
  explicit LazyRun(const Schedule& schedule)
      : places_(PlacesOfStages(schedule)), done_(schedule.actions.size()) {
    std::map<std::tuple<int, int, Payload>, std::vector<int>> sends, receives;
    for (int rank = 0; rank < schedule.size.num_ranks; ++rank) {
      const auto& actions = schedule.actions[static_cast<size_t>(rank)];
      for (int i = 0; i < static_cast<int>(actions.size()); ++i) {
        const Action& action = actions[static_cast<size_t>(i)];
        if (action.kind == ActionKind::kSend)
          sends[{rank, PeerOf(schedule, places_, rank, action).rank, action.payload}].push_back(i);
        if (action.kind == ActionKind::kReceive)
          receives[{PeerOf(schedule, places_, rank, action).rank, rank, action.payload}].push_back(
              i);
      }
    }
    for (const auto& [wire, indices] : sends) {
      const auto& [from, to, payload] = wire;
      for (size_t n = 0; n < indices.size(); ++n) {
        receive_of_[{from, indices[n]}] = {to, receives.at(wire)[n]};
        send_of_[{to, receives.at(wire)[n]}] = {from, indices[n]};
      }
    }
  }

  void Advance(int rank, int num_actions) {
    int& done = done_[static_cast<size_t>(rank)];
    while (done < num_actions) {
      const auto send = send_of_.find({rank, done});
      if (send != send_of_.end()) Advance(send->second.first, send->second.second + 1);
      ++done;
    }
  }

  bool IsReceived(int rank, int send) const {
    const auto& [peer, receive] = receive_of_.at({rank, send});
    // A rank is known to be past an action when something came from behind it.
    return done_[static_cast<size_t>(peer)] > receive;
  }

 private:
  std::vector<StagePlace> places_;
  std::vector<int> done_;
  std::map<std::pair<int, int>, std::pair<int, int>> receive_of_, send_of_;  // (rank, action)
};

void ExpectEarliestReleases(ScheduleKind kind, const ScheduleSize& size) {
  const Schedule schedule = MakeSchedule(kind, size);
  for (int rank = 0; rank < size.num_ranks; ++rank) {
    SCOPED_TRACE(testing::Message()
                 << Name(kind) << " p " << size.num_ranks << " v " << size.num_chunks << " m "
                 << size.num_micro_batches << " rank " << rank);
    const auto& actions = schedule.actions[static_cast<size_t>(rank)];
    const auto releases = SendReleases(schedule, rank);
    ASSERT_EQ(releases.size(), actions.size());
    LazyRun run(schedule);
    std::vector<int> outstanding;
    for (int i = 0; i < static_cast<int>(actions.size()); ++i) {
      run.Advance(rank, i + 1);
      if (actions[static_cast<size_t>(i)].kind == ActionKind::kSend) outstanding.push_back(i);
      std::vector<int> expected;
      const bool is_last = i + 1 == static_cast<int>(actions.size());
      std::erase_if(outstanding, [&](int send) {
        const bool over = is_last || run.IsReceived(rank, send);
        if (over) expected.push_back(send);
        return over;
      });
      ASSERT_EQ(releases[static_cast<size_t>(i)], expected)
          << ToString(actions[static_cast<size_t>(i)]);
    }
  }
}

TEST(SendReleases, ComeAsEarlyAsReceiptIsCertainAndNoEarlier) {
  for (const int ranks : {2, 3, 4, 8}) {
    for (const int micro_batches : {1, 2, 5, 8}) {
      for (const ScheduleKind kind :
           {ScheduleKind::kGPipe, ScheduleKind::kOneForwardOneBackward, ScheduleKind::kZbH1})
        ExpectEarliestReleases(kind, {ranks, 1, micro_batches});
      for (const ScheduleKind kind : {ScheduleKind::kZbV, ScheduleKind::kDualPipeV})
        ExpectEarliestReleases(kind, {ranks, 2, micro_batches});
      ExpectEarliestReleases(ScheduleKind::kInterleaved, {ranks, 3, micro_batches});
    }
  }
}

TEST(SendReleases, AnActivationOf1F1BIsHeldUntilItsGradientIsBack) {
  const Schedule schedule =
      MakeSchedule(ScheduleKind::kOneForwardOneBackward, {.num_ranks = 2, .num_micro_batches = 4});
  const auto releases = SendReleases(schedule, 0);
  int released = 0;
  for (size_t i = 0; i < releases.size(); ++i) {
    for (const int send : releases[i]) {
      EXPECT_EQ(schedule.actions[0][i].kind, ActionKind::kReceive);
      EXPECT_EQ(schedule.actions[0][i].micro_batch,
                schedule.actions[0][static_cast<size_t>(send)].micro_batch);
      ++released;
    }
  }
  EXPECT_EQ(released, 4);
}

}  // namespace
}  // namespace cadmus
