// SPDX-License-Identifier: Apache-2.0
#include "collectives/local/local_transport.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace cadmus {
namespace {

constexpr int kPosted = 8;

void AwaitAll(Transport& transport) {
  const auto deadline = Transport::Clock::now() + std::chrono::seconds(60);
  std::vector<int> done;
  while (done.size() < kPosted && Transport::Clock::now() < deadline) {
    transport.Progress(deadline, done);
  }
  ASSERT_EQ(done.size(), kPosted);
}

// The sender is in the midst of a round whenever the receiver looks.
template <class Message>
void ExpectOrderKept() {
  constexpr int kRounds = 2000;
  Mailboxes mailboxes(2);
  LocalTransport sender(mailboxes, 0);
  LocalTransport receiver(mailboxes, 1);
  std::jthread sending([&] {
    std::array<Message, kPosted> messages = {};
    for (int64_t round = 0; round < kRounds; ++round) {
      for (int i = 0; i < kPosted; ++i) {
        messages[static_cast<size_t>(i)][0] = round * kPosted + i;
        sender.Send({.peer = 1, .bytes = sizeof(Message), .message = i},
                    &messages[static_cast<size_t>(i)]);
      }
      AwaitAll(sender);
    }
  });
  std::array<Message, kPosted> messages = {};
  int64_t num_misplaced = 0;
  for (int64_t round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kPosted; ++i) {
      receiver.Receive({.peer = 0, .bytes = sizeof(Message), .message = i},
                       &messages[static_cast<size_t>(i)]);
    }
    AwaitAll(receiver);
    for (int i = 0; i < kPosted; ++i) {
      num_misplaced += messages[static_cast<size_t>(i)][0] != round * kPosted + i;
    }
  }
  EXPECT_EQ(num_misplaced, 0);
}

TEST(LocalTransport, ShortMessagesOfOneTagArriveInOrder) {
  ExpectOrderKept<std::array<int64_t, 1>>();
}

TEST(LocalTransport, LongMessagesOfOneTagArriveInOrder) {
  ExpectOrderKept<std::array<int64_t, 100>>();
}

// Returns once Progress has, long before its deadline.
void ExpectProgressReturns(Transport& transport) {
  std::vector<int> done;
  const auto deadline = Transport::Clock::now() + std::chrono::seconds(60);
  transport.Progress(deadline, done);
  EXPECT_LT(Transport::Clock::now(), deadline);
  EXPECT_TRUE(done.empty());
}

TEST(LocalTransport, ARevocationBetweenTwoWaitsEndsTheSecond) {
  Mailboxes mailboxes(2);
  LocalTransport waiting(mailboxes, 0);
  LocalTransport revoking(mailboxes, 1);
  const std::vector<int> ranks = {0, 1};
  for (int64_t context = 0; context < 2; ++context) {
    revoking.Revoke(context, ranks, "enough");
    ExpectProgressReturns(waiting);
    // Told once: the next waits.
    std::vector<int> done;
    const auto deadline = Transport::Clock::now() + std::chrono::milliseconds(20);
    waiting.Progress(deadline, done);
    EXPECT_GE(Transport::Clock::now(), deadline);
  }
}

TEST(LocalTransport, AWakeBetweenTwoWaitsEndsTheSecond) {
  Mailboxes mailboxes(1);
  LocalTransport waiting(mailboxes, 0);
  waiting.Wake();
  ExpectProgressReturns(waiting);
}

// Messages that are reported without anybody's help.
std::vector<int> Report(Transport& transport) {
  std::vector<int> done;
  transport.Progress(Transport::Clock::now(), done);
  return done;
}

TEST(LocalTransport, SenderOfShortMessagesRunsAheadOfItsReaderOnlySoFar) {
  constexpr int kUnread = Mailbox::kMaxUnread;
  Mailboxes mailboxes(2);
  LocalTransport sender(mailboxes, 0);
  LocalTransport receiver(mailboxes, 1);
  for (int i = 0; i < kUnread; ++i) {
    sender.Send({.peer = 1, .bytes = sizeof(i), .message = i}, &i);
    EXPECT_EQ(Report(sender), std::vector<int>{i});
  }
  const int behind = kUnread;
  sender.Send({.peer = 1, .bytes = sizeof(behind), .message = behind}, &behind);
  EXPECT_EQ(Report(sender), std::vector<int>{});
  for (int i = 0; i <= kUnread; ++i) {
    int received = -1;
    receiver.Receive({.peer = 0, .bytes = sizeof(received), .message = 100}, &received);
    EXPECT_EQ(Report(receiver), std::vector<int>{100});
    EXPECT_EQ(received, i);
  }
  EXPECT_EQ(Report(sender), std::vector<int>{behind});
}

TEST(LocalTransport, CanceledShortMessagesStillArriveAndAreNotReported) {
  Mailboxes mailboxes(2);
  LocalTransport sender(mailboxes, 0);
  LocalTransport receiver(mailboxes, 1);
  constexpr int kMessages = Mailbox::kMaxUnread + 1;
  for (int i = 0; i < kMessages; ++i)
    sender.Send({.peer = 1, .bytes = sizeof(i), .message = i}, &i);
  sender.Cancel(0, kMessages);
  for (int i = 0; i < kMessages; ++i) {
    int received = -1;
    receiver.Receive({.peer = 0, .bytes = sizeof(received), .message = 100}, &received);
    EXPECT_EQ(Report(receiver), std::vector<int>{100});
    EXPECT_EQ(received, i);
  }
  EXPECT_EQ(Report(sender), std::vector<int>{});
}

}  // namespace
}  // namespace cadmus
