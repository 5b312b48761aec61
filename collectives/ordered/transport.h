// SPDX-License-Identifier: Apache-2.0
// Transport: tagged messages between this rank and the others, posted and then progressed. One per
// rank; used by its communication worker alone, but for Wake and the revocations.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cadmus {

class MemoryAccess;

// What a message has besides its bytes; both of its sides post one.
struct Envelope {
  int peer = 0;  // a rank of the world
  int64_t tag = 0;
  int64_t bytes = 0;               // at most Transport::kMaxMessageBytes
  int message = 0;                 // by which the poster knows it
  MemoryAccess* access = nullptr;  // of the memory that it comes from or goes to
};

class Transport {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr int64_t kMaxMessageBytes = int64_t{1} << 30;

  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  // Room for `num_messages` under way at once, so that neither posting nor progress allocates.
  virtual void Reserve(int num_messages) = 0;

  // Messages between two ranks with one tag arrive in order, with the size that was posted; they
  // may be reported in another. The memory at `data` is in use until Progress reports the message,
  // or Cancel returns.
  virtual void Send(const Envelope& envelope, const void* data) = 0;
  virtual void Receive(const Envelope& envelope, void* data) = 0;

  // Appends the messages that are complete to `done`. If none is, waits for one, at most until
  // `deadline`, and returns early after a revocation or Wake, also one that came since Progress
  // last returned. Throws kCommunication if the transport fails.
  virtual void Progress(Clock::time_point deadline, std::vector<int>& done) = 0;
  // Ends the wait of the Progress under way, or of the next. Any thread.
  virtual void Wake() noexcept = 0;
  // Forgets the posted messages from `first` to `last`.
  virtual void Cancel(int first, int last) noexcept = 0;

  virtual int64_t max_tag() const = 0;

  // Tells `ranks` that messages of `context` will not come any more, because of `reason`. Any
  // thread. Throws kCommunication where this transport cannot.
  virtual void Revoke(int64_t context, std::span<const int> ranks, const std::string& reason) = 0;
  virtual std::optional<std::string> RevokedBecause(int64_t context) const = 0;
  // Throws kCommunication where this transport cannot revoke, so that nothing is begun in vain.
  virtual void RequireRevoke() const = 0;
};

}  // namespace cadmus
