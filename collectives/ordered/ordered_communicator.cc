// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/ordered_communicator.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "collectives/ordered/hold_stream.h"
#include "collectives/ordered/ordered_collectives.h"
#include "kernels/base/error.h"

namespace cadmus {
namespace {

// Calls of one group that may be issued and not yet over; a further one waits.
constexpr int kMaxPendingCalls = 32;

// Not those that run together with others.
bool IsLoneSend(std::span<const CollectiveCall> calls) {
  return calls.size() == 1 && calls[0].op == CollectiveOp::kSend;
}

// The members agree on a context that is new to each of them: the largest that any would take.
// Every pair exchanges a message, so the group is warm behind it, and no rank is ahead of one that
// has not come. Runs on the worker.
int64_t AgreeOnContext(Endpoint& endpoint, const Membership& over, std::span<const int> members,
                       const CallInfo& info, std::chrono::milliseconds limit) {
  Exchange& exchange = endpoint.exchange;
  CallHeader header = MakeHeader(info);
  header.sequence = -1;
  for (int member : members) {  // FNV-1a
    header.hash = (header.hash ^ static_cast<uint64_t>(member)) * 0x100000001B3;
  }
  const int64_t ours = endpoint.next_context;
  std::vector<int64_t> theirs(members.size(), ours);
  exchange.BeginCall(over, info, limit);
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i] == over.rank) continue;
    exchange.Send(members[i], &ours, sizeof(ours), &header);
    exchange.Receive(members[i], &theirs[i], sizeof(int64_t), &header);
  }
  exchange.RunRound();
  const int64_t context = *std::max_element(theirs.begin(), theirs.end());
  endpoint.next_context = context + 1;
  return context;
}

void CheckMembers(std::span<const int> members, const Membership& over) {
  std::vector<bool> seen(over.world_ranks.size());
  for (int member : members) {
    CADMUS_CHECK(0 <= member && member < over.size() && !seen[static_cast<size_t>(member)],
                 StrCat("member ", member, " of a new group in group ", over.name, " of ",
                        over.size(), " ranks is out of range or named twice"));
    seen[static_cast<size_t>(member)] = true;
  }
  CADMUS_CHECK(
      seen[static_cast<size_t>(over.rank)],
      StrCat("rank ", over.rank, " of group ", over.name, " makes a group without itself"));
}

}  // namespace

// One issued call: its arguments, until it is over.
class OrderedCommunicator::PendingCall final : public CommunicationWorker::Task,
                                               public SendsInFlight::Sender {
 public:
  explicit PendingCall(OrderedCommunicator& owner) : group(owner) {
    const auto size = static_cast<size_t>(owner.size());
    calls.reserve(2 * size);
    counts.reserve(2 * size);
    sites.resize(2 * size);
  }

  // Copies the calls and what they borrow: counts, and sites, whose owners an error may end first.
  void Assign(std::span<const CollectiveCall> issued) {
    calls.assign(issued.begin(), issued.end());
    if (calls.size() > sites.size()) sites.resize(calls.size());
    for (size_t i = 0; i < calls.size(); ++i) {
      const std::string_view site = calls[i].site;
      const size_t length = std::min(site.size(), sites[i].size() - 1);
      std::copy_n(site.data(), length, sites[i].data());
      sites[i][length] = '\0';
      calls[i].site = sites[i].data();
    }
    counts.clear();
    for (const CollectiveCall& call : issued) {
      counts.insert(counts.end(), call.input_counts.begin(), call.input_counts.end());
      counts.insert(counts.end(), call.output_counts.begin(), call.output_counts.end());
    }
    if (counts.empty()) return;
    const size_t half = counts.size() / 2;  // only a single call has counts
    calls[0].input_counts = std::span(counts).first(half);
    calls[0].output_counts = std::span(counts).subspan(half);
  }

  // Sends of one group to one peer keep their order, also those that run together.
  CommunicationWorker::Place Place() const {
    if (IsLoneSend(calls)) {
      return {
          .kind = CommunicationWorker::Place::Kind::kPost, .group = &group, .peer = calls[0].peer};
    }
    const bool may_send = calls.size() > 1;
    return {.group = may_send ? &group : nullptr};
  }

  OrderedCommunicator& group;
  std::vector<CollectiveCall> calls;
  std::vector<int64_t> counts;
  std::vector<std::array<char, 96>> sites;  // one for each call
  int64_t sequence = 0;
  int64_t record = 0;

 private:
  void Run() override { IsLoneSend(calls) ? group.StartSend(*this) : group.Execute(*this); }
  void OnSendEnd(std::exception_ptr failure, std::span<const int> missing) noexcept override {
    if (failure == nullptr) {
      group.endpoint_.recorder.Finish(record);
    } else {
      group.endpoint_.recorder.Fail(record, missing);
      group.Fail(failure);
    }
    group.endpoint_.worker.End(*this, std::move(failure));
  }
  void Skip() noexcept override {
    group.endpoint_.recorder.Fail(record, {});
    group.FailWithSends(std::make_exception_ptr(
        Error(Kind::kCommunication,
              StrCat("group ", group.name(), ", ", Describe(InfoOf(calls, group.name(), sequence)),
                     ": never started, because its stream had failed before"))));
    group.Release(*this);
  }
};

// The call's place in its stream. If the stream skips it, the call is abandoned.
class OrderedCommunicator::Turn {
 public:
  explicit Turn(PendingCall& pending) : pending_(&pending) {}
  Turn(Turn&& other) noexcept : pending_(std::exchange(other.pending_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (pending_ != nullptr) pending_->group.endpoint_.worker.Abandon(*pending_);
  }

  void operator()() {
    // Gives the call back also when Wait rethrows its failure.
    struct Owner {
      PendingCall& pending;
      ~Owner() { pending.group.Release(pending); }
    } owner{*std::exchange(pending_, nullptr)};
    CommunicationWorker& worker = owner.pending.group.endpoint_.worker;
    worker.Start(owner.pending);
    worker.Wait(owner.pending);
  }

 private:
  PendingCall* pending_;
};

OrderedCommunicator::OrderedCommunicator(const Origin& origin, Membership membership,
                                         const CommunicatorOptions& options)
    : Communicator(membership.name, membership.rank, membership.size(), origin.device, options),
      endpoint_(origin.endpoint),
      membership_(std::move(membership)),
      access_(origin.access) {
  for (int i = 0; i < kMaxPendingCalls; ++i) {
    pending_.push_back(std::make_unique<PendingCall>(*this));
    free_.push_back(pending_.back().get());
  }
}

OrderedCommunicator::~OrderedCommunicator() {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [&] { return free_.size() == pending_.size(); });
  if (has_sent_) --endpoint_.num_sending_groups;
}

std::unique_ptr<Communicator> OrderedCommunicator::Connect(Endpoint& endpoint, int rank, int size,
                                                           Device& device,
                                                           const CommunicatorOptions& options) {
  Membership meeting{.name = "world", .context = 0, .world_ranks = {}, .rank = rank};
  for (int i = 0; i < size; ++i) meeting.world_ranks.push_back(i);
  return Make({.endpoint = endpoint,
               .over = meeting,
               .device = device,
               .access = MakeMemoryAccess(device),
               .limit = options.limit},
              meeting.world_ranks, "world", options);
}

OrderedCommunicator::Origin OrderedCommunicator::OriginOver(const Membership& over) {
  return {.endpoint = endpoint_,
          .over = over,
          .device = device(),
          .access = access_,
          .limit = options().limit};
}

std::unique_ptr<Communicator> OrderedCommunicator::Make(const Origin& origin,
                                                        std::span<const int> members,
                                                        std::string name,
                                                        const CommunicatorOptions& options) {
  Endpoint& endpoint = origin.endpoint;
  const Membership& over = origin.over;
  CheckMembers(members, over);
  Membership membership{.name = std::move(name), .context = 0, .world_ranks = {}, .rank = 0};
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i] == over.rank) membership.rank = static_cast<int>(i);
    membership.world_ranks.push_back(over.world_ranks[static_cast<size_t>(members[i])]);
  }
  const CallInfo info{
      .group = over.name, .op = CollectiveOp::kMakeGroup, .sequence = -1, .site = membership.name};
  const int64_t record = endpoint.recorder.Issue(info);
  endpoint.worker.Run([&] {
    endpoint.recorder.Start(record);
    try {
      membership.context = AgreeOnContext(endpoint, over, members, info, origin.limit);
    } catch (...) {
      endpoint.exchange.Abandon();
      endpoint.recorder.Fail(record, endpoint.exchange.missing_world_ranks());
      throw;
    }
    endpoint.recorder.Finish(record);
  });
  return std::unique_ptr<Communicator>(
      new OrderedCommunicator(origin, std::move(membership), options));
}

std::unique_ptr<Communicator> OrderedCommunicator::MakeGroup(std::span<const int> members,
                                                             std::string name,
                                                             const CommunicatorOptions& options) {
  ThrowIfFailed();
  try {
    return Make(OriginOver(membership_), members, std::move(name), options);
  } catch (const Error& error) {
    if (error.kind() == Kind::kCommunication) Fail(std::current_exception());
    throw;
  }
}

void OrderedCommunicator::Revoke(const std::string& reason) {
  endpoint_.transport.Revoke(membership_.context, membership_.world_ranks, reason);
}

std::unique_ptr<Communicator> OrderedCommunicator::Rebuild(int64_t epoch,
                                                           std::span<const int> members) {
  endpoint_.transport.RequireRevoke();
  constexpr int64_t kEpochs = int64_t{1} << 20;
  CADMUS_CHECK(0 < epoch && epoch < kEpochs, StrCat("epoch ", epoch, " of group ", name()));
  // A place of its own for the agreement: nothing of the revoked group, or of a rebuilding that
  // failed, can be mistaken for it.
  Membership meeting = membership_;
  meeting.context = (membership_.context + 1) * kEpochs + epoch;
  return Make(OriginOver(meeting), members, name(), options());
}

OrderedCommunicator::PendingCall& OrderedCommunicator::TakePending() {
  std::unique_lock lock(mutex_);
  if (!released_.wait_for(lock, device().wait_limit(), [&] { return !free_.empty(); })) {
    throw Error(Kind::kCommunication,
                StrCat("group ", name(), ": ", kMaxPendingCalls,
                       " calls are issued and none has ended within ",
                       InWords(device().wait_limit()), "; their streams do not come that far"));
  }
  PendingCall& pending = *free_.back();
  free_.pop_back();
  return pending;
}

void OrderedCommunicator::Release(PendingCall& pending) noexcept {
  std::lock_guard lock(mutex_);
  free_.push_back(&pending);
  released_.notify_all();  // under the lock: the destructor may be waiting for it
}

void OrderedCommunicator::Issue(std::span<const CollectiveCall> calls, Stream& stream) {
  ThrowIfFailed();
  PendingCall& pending = TakePending();
  pending.Assign(calls);
  pending.sequence = IsPointToPoint(calls[0].op) ? num_point_to_point_++ : num_collectives_++;
  pending.record = endpoint_.recorder.Issue(InfoOf(calls, name(), pending.sequence));
  if (IsLoneSend(calls) && !std::exchange(has_sent_, true)) ++endpoint_.num_sending_groups;
  endpoint_.worker.Queue(pending, pending.Place());
  HoldStream(stream, Turn(pending));
}

void OrderedCommunicator::Execute(PendingCall& pending) {
  endpoint_.recorder.Start(pending.record);
  try {
    ThrowIfFailed();
    const CallInfo info = InfoOf(pending.calls, name(), pending.sequence);
    endpoint_.exchange.BeginCall(membership_, info, options().limit, access_.get());
    RunOrdered(pending.calls, membership_, info,
               {.workspace = workspace(), .access = access_.get()}, endpoint_.exchange);
  } catch (...) {
    endpoint_.exchange.Abandon();
    endpoint_.recorder.Fail(pending.record, endpoint_.exchange.missing_world_ranks());
    FailWithSends(std::current_exception());
    throw;
  }
  endpoint_.recorder.Finish(pending.record);
}

void OrderedCommunicator::StartSend(PendingCall& pending) {
  endpoint_.recorder.Start(pending.record);
  try {
    ThrowIfFailed();
    SendsInFlight& sends = endpoint_.sends;
    sends.ReserveSends(endpoint_.num_sending_groups * kMaxPendingCalls);
    sends.Start(pending.calls[0], InfoOf(pending.calls, name(), pending.sequence),
                {.group = membership_,
                 .sender = pending,
                 .limit = options().limit,
                 .access = access_.get()});
  } catch (...) {
    endpoint_.recorder.Fail(pending.record, {});
    FailWithSends(std::current_exception());
    throw;
  }
}

void OrderedCommunicator::FailWithSends(std::exception_ptr failure) {
  Fail(failure);
  endpoint_.sends.Fail(membership_.context, failure);
}

void OrderedCommunicator::Fail(std::exception_ptr failure) {
  std::lock_guard lock(mutex_);
  if (failure_ == nullptr) failure_ = std::move(failure);
}

void OrderedCommunicator::ThrowIfFailed() {
  std::unique_lock lock(mutex_);
  if (failure_ == nullptr) return;
  const std::exception_ptr failure = failure_;
  lock.unlock();
  std::rethrow_exception(failure);
}

}  // namespace cadmus
