// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/sends_in_flight.h"

#include <algorithm>
#include <utility>

#include "collectives/watchdog/watchdog.h"
#include "kernels/base/error.h"

namespace cadmus {

void SendsInFlight::Start(const CollectiveCall& call, const CallInfo& info, const Origin& origin) {
  RequireTags(origin.group, transport_);
  ThrowIfRevoked(transport_, origin.group, info);
  const int64_t bytes = call.count * SizeOf(call.dtype);
  const int64_t pieces = (bytes + Transport::kMaxMessageBytes - 1) / Transport::kMaxMessageBytes;
  messages_per_send_ = std::max(messages_per_send_, 1 + static_cast<int>(pieces));
  const size_t index = TakeFree();
  Reserve(0);
  const Clock::time_point now = Clock::now();
  Send& send = sends_[index];
  send = {.sender = &origin.sender,
          .group = &origin.group,
          .info = info,
          .peer = call.peer,
          .limit = origin.limit,
          .began = now,
          .deadline = now + origin.limit};
  send.header = MakeHeader(info);
  send.header.sequence = -1;
  send.header.bytes = bytes;
  ++num_open_;
  try {
    PostMessages(call, index, origin.access);
  } catch (...) {
    transport_.Cancel(MessageOf(index), MessageOf(index));
    send.sender = nullptr;
    --num_open_;
    throw;
  }
}

void SendsInFlight::PostMessages(const CollectiveCall& call, size_t index, MemoryAccess* access) {
  Send& send = sends_[index];
  const int peer = send.group->world_ranks[static_cast<size_t>(send.peer)];
  const int message = MessageOf(index);
  send.messages_left = 1;
  transport_.Send({.peer = peer,
                   .tag = TagOf(*send.group, Lane::kSendHeader),
                   .bytes = sizeof(CallHeader),
                   .message = message},
                  &send.header);
  const auto* data = static_cast<const char*>(call.input);
  for (int64_t begin = 0; begin < send.header.bytes; begin += Transport::kMaxMessageBytes) {
    ++send.messages_left;
    transport_.Send({.peer = peer,
                     .tag = TagOf(*send.group, Lane::kSendPayload),
                     .bytes = std::min(Transport::kMaxMessageBytes, send.header.bytes - begin),
                     .message = message,
                     .access = access},
                    data + begin);
  }
}

size_t SendsInFlight::TakeFree() {
  const auto free =
      std::find_if(sends_.begin(), sends_.end(), [](const Send& s) { return s.sender == nullptr; });
  CADMUS_CHECK(free != sends_.end(), StrCat("room for ", sends_.size(), " sends is too little"));
  return static_cast<size_t>(free - sends_.begin());
}

void SendsInFlight::ReserveSends(int num_sends) {
  const auto count = static_cast<size_t>(num_sends);
  if (count > sends_.size()) sends_.resize(count);
}

void SendsInFlight::Reserve(int num_round_messages) {
  const int count = num_round_messages + static_cast<int>(sends_.size()) * messages_per_send_;
  reports_.reserve(static_cast<size_t>(count));
  transport_.Reserve(count);
}

void SendsInFlight::Progress(Clock::time_point deadline, std::vector<int>& done) {
  worker_.StartPosts();
  const Clock::time_point until =
      std::min(deadline, std::max(FirstDeadline(), Clock::now() + kShortestWait));
  reports_.clear();
  try {
    transport_.Progress(until, reports_);
  } catch (...) {
    FailAll(std::current_exception());
    throw;
  }
  if (num_open_ == 0) {
    done.insert(done.end(), reports_.begin(), reports_.end());
    return;
  }
  const Clock::time_point now = Clock::now();
  for (int message : reports_) {
    if (message >= 0) {
      done.push_back(message);
    } else {
      Complete(IndexOf(message), now);
    }
  }
  EndRevoked();
  EndOverdue(now, reports_.empty() && now >= until);
}

void SendsInFlight::Progress() noexcept {
  try {
    none_done_.clear();
    Progress(Clock::time_point::max(), none_done_);
  } catch (...) {
    // The transport has failed, and with it every send, whose senders have been told.
  }
}

void SendsInFlight::Complete(size_t index, Clock::time_point now) {
  Send& send = sends_[index];
  send.deadline = now + send.limit;
  send.has_grace = false;
  if (--send.messages_left == 0) End(index, nullptr, {});
}

void SendsInFlight::End(size_t index, std::exception_ptr failure, std::span<const int> missing) {
  if (failure != nullptr) transport_.Cancel(MessageOf(index), MessageOf(index));
  --num_open_;
  // The group and the sender may be gone once it knows; the error is its own.
  std::exchange(sends_[index].sender, nullptr)->OnSendEnd(std::move(failure), missing);
}

void SendsInFlight::EndGroupOf(size_t index, std::exception_ptr failure,
                               std::span<const int> missing) {
  const int64_t context = sends_[index].group->context;
  for (size_t i = 0; i < sends_.size(); ++i) {
    const Send& send = sends_[i];
    if (i != index && send.sender != nullptr && send.group->context == context) {
      End(i, failure, {});
    }
  }
  End(index, std::move(failure), missing);
}

void SendsInFlight::Fail(int64_t context, std::exception_ptr failure) {
  for (size_t i = 0; i < sends_.size(); ++i) {
    if (sends_[i].sender != nullptr && sends_[i].group->context == context) {
      return EndGroupOf(i, std::move(failure), {});
    }
  }
}

void SendsInFlight::FailAll(const std::exception_ptr& failure) {
  for (size_t i = 0; i < sends_.size(); ++i) {
    if (sends_[i].sender != nullptr) End(i, failure, {});
  }
}

void SendsInFlight::EndRevoked() {
  for (size_t i = 0; i < sends_.size(); ++i) {
    const Send& send = sends_[i];
    if (send.sender == nullptr) continue;
    std::exception_ptr failure;
    try {
      ThrowIfRevoked(transport_, *send.group, send.info);
    } catch (const Error&) {
      failure = std::current_exception();
    }
    if (failure != nullptr) EndGroupOf(i, std::move(failure), {});
  }
}

void SendsInFlight::EndOverdue(Clock::time_point now, bool is_quiet) {
  for (size_t i = 0; i < sends_.size(); ++i) {
    Send& send = sends_[i];
    if (send.sender == nullptr || now < send.deadline) continue;
    if (!is_quiet && !send.has_grace) {
      send.has_grace = true;
      send.deadline = now + kShortestWait;
      continue;
    }
    const int missing_world_rank = send.group->world_ranks[static_cast<size_t>(send.peer)];
    auto failure = std::make_exception_ptr(
        Error(Kind::kCommunication, Describe(ExpiredWait{.call = send.info,
                                                         .rank = send.group->rank,
                                                         .missing_ranks = {&send.peer, 1},
                                                         .members = send.group->world_ranks,
                                                         .waited = now - send.began,
                                                         .limit = send.limit})));
    EndGroupOf(i, std::move(failure), {&missing_world_rank, 1});
  }
}

SendsInFlight::Clock::time_point SendsInFlight::FirstDeadline() const {
  Clock::time_point first = Clock::time_point::max();
  if (num_open_ == 0) return first;
  for (const Send& send : sends_) {
    if (send.sender != nullptr) first = std::min(first, send.deadline);
  }
  return first;
}

}  // namespace cadmus
