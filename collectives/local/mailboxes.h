// SPDX-License-Identifier: Apache-2.0
// Mailboxes: where the ranks of a LocalWorld leave messages for each other. Short messages are
// copied in; of long ones only the place is noted, and the receiver reads the sender's memory.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace cadmus {

// What rank `from` has left for rank `to`, in order. Reading happens under the mutex, so a sender
// that holds it knows that nobody reads its memory. A sender can run ahead of its reader by
// kMaxUnread short messages; behind these it awaits that each is taken, as it does for long ones.
struct Mailbox {
  static constexpr int64_t kCopiedBytes = 64;
  static constexpr size_t kMaxUnread = 16;

  struct Offer {
    int64_t tag = 0;
    int64_t bytes = 0;
    const void* data = nullptr;  // null: the bytes are in `copy`
    bool awaited = true;         // `message`, of the sender, is reported back once it is taken
    int message = 0;
    std::array<char, kCopiedBytes> copy;
  };

  std::mutex mutex;
  std::vector<Offer> offers;
};

// What wakes one rank. Locked after a mailbox, never before.
struct Doorbell {
  std::mutex mutex;
  std::condition_variable rung;
  uint64_t num_rings = 0;
  bool woken = false;      // by this rank itself
  std::vector<int> taken;  // messages of this rank that their receivers have read
  std::vector<std::pair<int64_t, std::string>> revoked;  // contexts and why
  std::string stopped;  // why all contexts are revoked; empty: they are not
};

struct Mailboxes {
  explicit Mailboxes(int num_ranks)
      : size(num_ranks),
        boxes(static_cast<size_t>(num_ranks) * static_cast<size_t>(num_ranks)),
        doorbells(static_cast<size_t>(num_ranks)) {}

  Mailbox& box(int from, int to) {
    return boxes[static_cast<size_t>(from) * static_cast<size_t>(size) + static_cast<size_t>(to)];
  }
  Doorbell& doorbell(int rank) { return doorbells[static_cast<size_t>(rank)]; }

  int size;
  std::vector<Mailbox> boxes;
  std::vector<Doorbell> doorbells;
};

}  // namespace cadmus
