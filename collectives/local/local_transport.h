// SPDX-License-Identifier: Apache-2.0
// LocalTransport: the Transport of one rank of a LocalWorld, over the world's mailboxes.
#pragma once

#include <limits>
#include <vector>

#include "collectives/local/mailboxes.h"
#include "collectives/ordered/transport.h"

namespace cadmus {

class LocalTransport final : public Transport {
 public:
  LocalTransport(Mailboxes& mailboxes, int rank);

  void Reserve(int num_messages) override;
  void Send(const Envelope& envelope, const void* data) override;
  void Receive(const Envelope& envelope, void* data) override;
  void Progress(Clock::time_point deadline, std::vector<int>& done) override;
  void Wake() noexcept override;
  void Cancel(int first, int last) noexcept override;
  int64_t max_tag() const override { return std::numeric_limits<int64_t>::max(); }
  void Revoke(int64_t context, std::span<const int> ranks, const std::string& reason) override;
  std::optional<std::string> RevokedBecause(int64_t context) const override;
  void RequireRevoke() const override {}

 private:
  struct PostedReceive {
    Envelope envelope;
    void* data;
  };

  bool TryReceive(const PostedReceive& receive);
  void TryReceives(std::vector<int>& done);
  // Whether one has come since this was last asked, be it before or during a wait: its ring may
  // have been heard between two waits. Requires the doorbell's lock.
  bool HasNewRevocation();

  Mailboxes& mailboxes_;
  Doorbell& doorbell_;
  int rank_;
  size_t max_offers_ = Mailbox::kMaxUnread;  // of this rank in one mailbox
  std::vector<PostedReceive> receives_;
  std::vector<int> copied_;  // messages sent: complete at once
  size_t revocations_seen_ = 0;
};

}  // namespace cadmus
