// SPDX-License-Identifier: Apache-2.0
#include "collectives/local/local_transport.h"

#include <algorithm>
#include <utility>

#include "collectives/ordered/memory_access.h"
#include "kernels/base/error.h"

namespace cadmus {

LocalTransport::LocalTransport(Mailboxes& mailboxes, int rank)
    : mailboxes_(mailboxes), doorbell_(mailboxes.doorbell(rank)), rank_(rank) {}

void LocalTransport::Reserve(int num_messages) {
  const auto count = static_cast<size_t>(num_messages);
  receives_.reserve(count);
  copied_.reserve(count);
  max_offers_ = std::max(max_offers_, Mailbox::kMaxUnread + count);
  std::lock_guard lock(doorbell_.mutex);
  doorbell_.taken.reserve(count);
}

void LocalTransport::Send(const Envelope& envelope, const void* data) {
  Mailbox::Offer offer;
  offer.tag = envelope.tag;
  offer.bytes = envelope.bytes;
  offer.message = envelope.message;
  if (envelope.bytes <= Mailbox::kCopiedBytes) {
    CopyBytes(envelope.access, offer.copy.data(), data, envelope.bytes);
  } else {
    offer.data = data;
  }
  Mailbox& box = mailboxes_.box(rank_, envelope.peer);
  {
    std::lock_guard lock(box.mutex);
    offer.awaited = offer.data != nullptr || box.offers.size() >= Mailbox::kMaxUnread;
    box.offers.reserve(max_offers_);
    box.offers.push_back(offer);
  }
  if (!offer.awaited) copied_.push_back(envelope.message);
  Doorbell& doorbell = mailboxes_.doorbell(envelope.peer);
  std::lock_guard lock(doorbell.mutex);
  ++doorbell.num_rings;
  doorbell.rung.notify_one();
}

void LocalTransport::Receive(const Envelope& envelope, void* data) {
  receives_.push_back({envelope, data});
}

bool LocalTransport::TryReceive(const PostedReceive& receive) {
  const Envelope& envelope = receive.envelope;
  Mailbox& box = mailboxes_.box(envelope.peer, rank_);
  std::lock_guard lock(box.mutex);
  const auto offer = std::find_if(box.offers.begin(), box.offers.end(),
                                  [&](const auto& o) { return o.tag == envelope.tag; });
  if (offer == box.offers.end()) return false;
  CADMUS_CHECK(offer->bytes == envelope.bytes,
               StrCat("a message of ", offer->bytes, " bytes from rank ", envelope.peer, " where ",
                      envelope.bytes, " were announced"));
  CopyBytes(envelope.access, receive.data,
            offer->data == nullptr ? offer->copy.data() : offer->data, envelope.bytes);
  if (offer->awaited) {
    // Reported before the mailbox is unlocked: after Cancel no report can arrive late.
    Doorbell& doorbell = mailboxes_.doorbell(envelope.peer);
    std::lock_guard bell_lock(doorbell.mutex);
    doorbell.taken.push_back(offer->message);
    ++doorbell.num_rings;
    doorbell.rung.notify_one();
  }
  box.offers.erase(offer);
  return true;
}

void LocalTransport::TryReceives(std::vector<int>& done) {
  const auto begin = receives_.begin();
  auto waiting = begin;  // the end of those that stay
  for (const PostedReceive& receive : receives_) {
    // What has come since an earlier receive was tried in vain belongs to that one.
    const bool behind = std::any_of(begin, waiting, [&](const PostedReceive& earlier) {
      return earlier.envelope.peer == receive.envelope.peer &&
             earlier.envelope.tag == receive.envelope.tag;
    });
    if (!behind && TryReceive(receive)) {
      done.push_back(receive.envelope.message);
    } else {
      *waiting++ = receive;
    }
  }
  receives_.erase(waiting, receives_.end());
}

void LocalTransport::Progress(Clock::time_point deadline, std::vector<int>& done) {
  std::unique_lock lock(doorbell_.mutex);
  while (true) {
    const uint64_t rings_seen = doorbell_.num_rings;
    done.insert(done.end(), doorbell_.taken.begin(), doorbell_.taken.end());
    doorbell_.taken.clear();
    lock.unlock();
    done.insert(done.end(), copied_.begin(), copied_.end());
    copied_.clear();
    TryReceives(done);
    if (!done.empty()) return;
    lock.lock();
    if (std::exchange(doorbell_.woken, false) || HasNewRevocation()) return;
    if (!doorbell_.rung.wait_until(
            lock, deadline, [&] { return doorbell_.num_rings != rings_seen || doorbell_.woken; })) {
      return;
    }
  }
}

bool LocalTransport::HasNewRevocation() {
  const size_t count = doorbell_.revoked.size() + (doorbell_.stopped.empty() ? 0 : 1);
  return std::exchange(revocations_seen_, count) != count;
}

void LocalTransport::Wake() noexcept {
  std::lock_guard lock(doorbell_.mutex);
  doorbell_.woken = true;
  doorbell_.rung.notify_one();
}

void LocalTransport::Cancel(int first, int last) noexcept {
  const auto is_meant = [&](int message) { return first <= message && message <= last; };
  std::erase_if(receives_, [&](const PostedReceive& r) { return is_meant(r.envelope.message); });
  std::erase_if(copied_, is_meant);
  for (int peer = 0; peer < mailboxes_.size; ++peer) {
    Mailbox& box = mailboxes_.box(rank_, peer);
    std::lock_guard lock(box.mutex);
    // Copied ones stay: they may be what tells the peer that this rank is in another call.
    std::erase_if(box.offers, [&](const Mailbox::Offer& offer) {
      return is_meant(offer.message) && offer.data != nullptr;
    });
    for (Mailbox::Offer& offer : box.offers) {
      if (is_meant(offer.message)) offer.awaited = false;
    }
  }
  std::lock_guard lock(doorbell_.mutex);
  std::erase_if(doorbell_.taken, is_meant);
}

void LocalTransport::Revoke(int64_t context, std::span<const int> ranks,
                            const std::string& reason) {
  for (int rank : ranks) {
    Doorbell& doorbell = mailboxes_.doorbell(rank);
    std::lock_guard lock(doorbell.mutex);
    doorbell.revoked.emplace_back(context, reason);
    ++doorbell.num_rings;
    doorbell.rung.notify_one();
  }
}

std::optional<std::string> LocalTransport::RevokedBecause(int64_t context) const {
  std::lock_guard lock(doorbell_.mutex);
  if (!doorbell_.stopped.empty()) return doorbell_.stopped;
  for (const auto& [revoked, reason] : doorbell_.revoked) {
    if (revoked == context) return reason;
  }
  return std::nullopt;
}

}  // namespace cadmus
