// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/exchange.h"

#include <algorithm>
#include <limits>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

CallInfo InfoOf(const CallHeader& header) {
  return {.op = header.op,
          .sequence = header.sequence,
          .bytes = header.bytes,
          .dtype = header.dtype,
          .site = header.site.data()};
}

std::string DescribeHeader(const CallHeader& header) {
  std::string text = Describe(InfoOf(header));
  if (header.root >= 0) text += StrCat(" from rank ", header.root);
  return text;
}

}  // namespace

void Exchange::BeginCall(const Membership& group, const CallInfo& info,
                         std::chrono::milliseconds limit, MemoryAccess* access) {
  RequireTags(group, transport_);
  group_ = &group;
  info_ = info;
  access_ = access;
  watchdog_.Reset(group.size(), limit);
  missing_world_ranks_.clear();
  ThrowIfRevoked(transport_, group, info);
}

int64_t Exchange::HeaderTag() const {
  return TagOf(*group_, IsPointToPoint(info_.op) ? Lane::kSendHeader : Lane::kCollectiveHeader);
}

int64_t Exchange::PayloadTag() const {
  return TagOf(*group_, IsPointToPoint(info_.op) ? Lane::kSendPayload : Lane::kCollectivePayload);
}

void Exchange::Send(int peer, const void* data, int64_t bytes, const CallHeader* header) {
  Side side;
  side.direction = Direction::kSend;
  side.peer = peer;
  side.data = static_cast<char*>(const_cast<void*>(data));
  side.bytes = bytes;
  Add(side, header);
}

void Exchange::Receive(int peer, void* data, int64_t bytes, const CallHeader* header) {
  Side side;
  side.direction = Direction::kReceive;
  side.peer = peer;
  side.data = static_cast<char*>(data);
  side.bytes = bytes;
  Add(side, header);
}

void Exchange::Add(const Side& side, const CallHeader* header) {
  if (side.bytes == 0 && header == nullptr) return;
  sides_.push_back(side);
  num_messages_ += static_cast<int>((side.bytes + Transport::kMaxMessageBytes - 1) /
                                    Transport::kMaxMessageBytes);
  if (header != nullptr) {
    ++num_messages_;
    sides_.back().has_header = true;
    sides_.back().header = *header;
  }
}

void Exchange::RunRound() {
  const Transport::Clock::time_point begin = Transport::Clock::now();
  watchdog_.Begin(begin);
  num_open_ = static_cast<int>(sides_.size());
  last_from_peer_.assign(group_->world_ranks.size(), -1);
  // How much is under way or done at once depends on timing, the number of messages does not.
  done_.reserve(static_cast<size_t>(num_messages_));
  sends_.Reserve(num_messages_);
  for (int i = 0; i < static_cast<int>(sides_.size()); ++i) Post(i);
  while (num_open_ > 0) {
    Transport::Clock::time_point deadline = Transport::Clock::time_point::max();
    for (const Side& side : sides_) {
      if (side.messages_left > 0) deadline = std::min(deadline, watchdog_.Deadline(side.peer));
    }
    deadline = std::max(deadline, Transport::Clock::now() + kShortestWait);
    done_.clear();
    sends_.Progress(deadline, done_);
    ThrowIfRevoked(transport_, *group_, info_);
    const Transport::Clock::time_point now = Transport::Clock::now();
    for (int index : done_) Complete(index, now);
    if (done_.empty() && now >= deadline) ThrowExpired(begin, now);
  }
  sides_.clear();
  num_messages_ = 0;
}

void Exchange::Post(int index) {
  Side& side = sides_[static_cast<size_t>(index)];
  const int peer = group_->world_ranks[static_cast<size_t>(side.peer)];
  const int64_t tag = HeaderTag();
  if (!side.has_header) {
    PostPayload(index);
  } else if (side.direction == Direction::kSend) {
    side.messages_left = 1;
    transport_.Send({.peer = peer, .tag = tag, .bytes = sizeof(CallHeader), .message = index},
                    &side.header);
    PostPayload(index);
  } else {
    side.messages_left = 1;  // the payload is awaited once the header is known to be right
    // So is the peer's next header: reported in another order, they would mix up the payloads.
    int& last = last_from_peer_[static_cast<size_t>(side.peer)];
    if (last < 0) {
      PostExpectedHeader(index);
    } else {
      sides_[static_cast<size_t>(last)].next_from_peer = index;
    }
    last = index;
  }
}

void Exchange::PostExpectedHeader(int index) {
  Side& side = sides_[static_cast<size_t>(index)];
  const int peer = group_->world_ranks[static_cast<size_t>(side.peer)];
  transport_.Receive(
      {.peer = peer, .tag = HeaderTag(), .bytes = sizeof(CallHeader), .message = index},
      &side.received);
}

void Exchange::PostPayload(int index) {
  Side& side = sides_[static_cast<size_t>(index)];
  const int peer = group_->world_ranks[static_cast<size_t>(side.peer)];
  const int64_t tag = PayloadTag();
  for (int64_t begin = 0; begin < side.bytes; begin += Transport::kMaxMessageBytes) {
    const Envelope envelope = {.peer = peer,
                               .tag = tag,
                               .bytes = std::min(Transport::kMaxMessageBytes, side.bytes - begin),
                               .message = index,
                               .access = access_};
    ++side.messages_left;
    if (side.direction == Direction::kSend) {
      transport_.Send(envelope, side.data + begin);
    } else {
      transport_.Receive(envelope, side.data + begin);
    }
  }
}

void Exchange::Complete(int index, Transport::Clock::time_point now) {
  Side& side = sides_[static_cast<size_t>(index)];
  watchdog_.Progress(side.peer, now);
  --side.messages_left;
  if (side.has_header && side.direction == Direction::kReceive && !side.header_arrived) {
    side.header_arrived = true;
    CheckHeader(side);
    PostPayload(index);
    if (side.next_from_peer >= 0) PostExpectedHeader(side.next_from_peer);
  }
  if (side.messages_left == 0) --num_open_;
}

void Exchange::CheckHeader(const Side& side) const {
  const CallHeader& ours = side.header;
  const CallHeader& theirs = side.received;
  const bool same_sequence =
      ours.sequence < 0 || theirs.sequence < 0 || ours.sequence == theirs.sequence;
  if (ours.op == theirs.op && ours.dtype == theirs.dtype && ours.root == theirs.root &&
      ours.bytes == theirs.bytes && ours.hash == theirs.hash && same_sequence) {
    return;
  }
  const char* remedy =
      ours.op == theirs.op && ours.hash != theirs.hash
          ? "the ranks must name the same members in the same order"
          : "all ranks of a group must issue the same calls in one order, with the same sizes and "
            "dtypes";
  throw Error(
      Kind::kCommunication,
      StrCat("group ", group_->name, " (", group_->size(), " ranks): rank ", group_->rank,
             " is in ", Describe(info_), " and expects ", DescribeHeader(ours), " from rank ",
             side.peer, ", which is in ", DescribeHeader(theirs), "; ", remedy));
}

void Exchange::ThrowExpired(Transport::Clock::time_point begin, Transport::Clock::time_point now) {
  missing_ranks_.clear();
  for (const Side& side : sides_) {
    if (side.messages_left > 0 && watchdog_.Deadline(side.peer) <= now) {
      missing_ranks_.push_back(side.peer);
    }
  }
  std::sort(missing_ranks_.begin(), missing_ranks_.end());
  missing_ranks_.erase(std::unique(missing_ranks_.begin(), missing_ranks_.end()),
                       missing_ranks_.end());
  for (int rank : missing_ranks_) {
    missing_world_ranks_.push_back(group_->world_ranks[static_cast<size_t>(rank)]);
  }
  throw Error(Kind::kCommunication, Describe(ExpiredWait{.call = info_,
                                                         .rank = group_->rank,
                                                         .missing_ranks = missing_ranks_,
                                                         .members = group_->world_ranks,
                                                         .waited = now - begin,
                                                         .limit = watchdog_.limit()}));
}

void Exchange::Abandon() noexcept {
  transport_.Cancel(0, std::numeric_limits<int>::max());
  sides_.clear();
  num_messages_ = 0;
}

}  // namespace cadmus
