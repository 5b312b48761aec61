// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/ordered_collectives.h"

#include <algorithm>
#include <vector>

#include "collectives/ordered/rank_order_sum.h"
#include "kernels/base/error.h"

namespace cadmus {
namespace {

// Up to here an all-reduce sends whole buffers, which takes one round in place of two. The order of
// the sum, and so the result, is the same.
constexpr int64_t kWholeBufferBytes = 4096;
constexpr int64_t kCacheLine = 64;

// One call under way.
class OrderedCall {
 public:
  OrderedCall(const CollectiveCall& call, const Membership& group, const CallInfo& info,
              const CallMemory& memory, Exchange& exchange)
      : call_(call),
        group_(group),
        header_(MakeHeader(info)),
        memory_(memory),
        exchange_(exchange),
        item_bytes_(SizeOf(call.dtype)),
        input_(static_cast<const char*>(call.input)),
        output_(static_cast<char*>(call.output)) {}

  void AllReduce() {
    if (group_.size() == 1) return;
    if (call_.count * item_bytes_ <= std::min(kWholeBufferBytes, SlotBytes())) {
      ExchangeAll(
          [&](int) {
            return Piece{input_, call_.count * item_bytes_};
          },
          [&](int peer) {
            return Piece{Slot(peer), call_.count * item_bytes_};
          });
      exchange_.RunRound();
      SumSlots(input_, output_, call_.count);
      return;
    }
    const int64_t chunk = SlotBytes() / item_bytes_ * group_.size();
    for (int64_t begin = 0; begin < call_.count; begin += chunk) {
      ReduceChunk(begin, std::min(chunk, call_.count - begin));
    }
  }

  void ReduceScatter() {
    if (group_.size() == 1) return Copy(output_, input_, call_.count * item_bytes_);
    const int64_t part_bytes = call_.count * item_bytes_;
    const int64_t chunk = SlotBytes() / item_bytes_;
    int64_t begin = 0;
    do {  // an empty call is announced too
      const int64_t n = std::min(chunk, call_.count - begin);
      const auto part = [&](int rank) { return input_ + rank * part_bytes + begin * item_bytes_; };
      ExchangeAll(
          [&](int peer) {
            return Piece{part(peer), n * item_bytes_};
          },
          [&](int peer) {
            return Piece{Slot(peer), n * item_bytes_};
          });
      exchange_.RunRound();
      SumSlots(part(group_.rank), output_ + begin * item_bytes_, n);
      begin += n;
    } while (begin < call_.count);
  }

  void AllGather() {
    const int64_t bytes = call_.count * item_bytes_;
    ExchangeAll(
        [&](int) {
          return Piece{input_, bytes};
        },
        [&](int peer) {
          return Piece{output_ + peer * bytes, bytes};
        });
    Copy(output_ + group_.rank * bytes, input_, bytes);
    exchange_.RunRound();
  }

  void AllToAll() {
    const int64_t bytes = call_.count * item_bytes_;
    ExchangeAll(
        [&](int peer) {
          return Piece{input_ + peer * bytes, bytes};
        },
        [&](int peer) {
          return Piece{output_ + peer * bytes, bytes};
        });
    Copy(output_ + group_.rank * bytes, input_ + group_.rank * bytes, bytes);
    exchange_.RunRound();
  }

  // Here the bytes that two ranks must agree on are those between the two.
  void AllToAllUneven() {
    const char* from = input_;
    char* to = output_;
    const char* own_from = nullptr;
    char* own_to = nullptr;
    for (int peer = 0; peer < group_.size(); ++peer) {
      const int64_t send_bytes = call_.input_counts[static_cast<size_t>(peer)] * item_bytes_;
      const int64_t receive_bytes = call_.output_counts[static_cast<size_t>(peer)] * item_bytes_;
      if (peer == group_.rank) {
        own_from = from;
        own_to = to;
      } else {
        SendAnnounced(peer, from, send_bytes);
        ReceiveAnnounced(peer, to, receive_bytes);
      }
      from += send_bytes;
      to += receive_bytes;
    }
    Copy(own_to, own_from, call_.input_counts[static_cast<size_t>(group_.rank)] * item_bytes_);
    exchange_.RunRound();
  }

  void Broadcast() {
    header_.root = call_.peer;
    const int64_t bytes = call_.count * item_bytes_;
    if (group_.rank != call_.peer) {
      exchange_.Receive(call_.peer, output_, bytes, &header_);
    } else {
      for (int i = 1; i < group_.size(); ++i) {
        exchange_.Send((group_.rank + i) % group_.size(), input_, bytes, &header_);
      }
    }
    exchange_.RunRound();
  }

  void Barrier() {
    ExchangeAll([](int) { return Piece{}; }, [](int) { return Piece{}; });
    exchange_.RunRound();
  }

  void AddSendOrReceive() {
    header_.op = CollectiveOp::kSend;  // as the sender calls it
    header_.sequence = -1;
    if (call_.op == CollectiveOp::kSend) {
      SendAnnounced(call_.peer, input_, call_.count * item_bytes_);
    } else {
      ReceiveAnnounced(call_.peer, output_, call_.count * item_bytes_);
    }
  }

 private:
  struct Piece {
    const char* data = nullptr;
    int64_t bytes = 0;
  };

  // One message to and from every other rank; the first of a call announces it. Starts with the
  // next rank, so that not all ranks send to rank 0 first.
  template <class Outgoing, class Incoming>
  void ExchangeAll(const Outgoing& outgoing, const Incoming& incoming) {
    const CallHeader* header = announced_ ? nullptr : &header_;
    announced_ = true;
    for (int i = 1; i < group_.size(); ++i) {
      const int peer = (group_.rank + i) % group_.size();
      const Piece send = outgoing(peer);
      const Piece receive = incoming(peer);
      exchange_.Send(peer, send.data, send.bytes, header);
      exchange_.Receive(peer, const_cast<char*>(receive.data), receive.bytes, header);
    }
  }

  void Copy(void* to, const void* from, int64_t bytes) const {
    if (to != from) CopyBytes(memory_.access, to, from, bytes);
  }

  void SendAnnounced(int peer, const char* data, int64_t bytes) {
    header_.bytes = bytes;
    exchange_.Send(peer, data, bytes, &header_);
  }
  void ReceiveAnnounced(int peer, char* data, int64_t bytes) {
    header_.bytes = bytes;
    exchange_.Receive(peer, data, bytes, &header_);
  }

  // Sums `count` elements from `begin` in place: every rank sums one range and gives it to all.
  void ReduceChunk(int64_t begin, int64_t count) {
    char* chunk = output_ + begin * item_bytes_;
    const auto range = [&](int rank) {
      const int64_t first = count * rank / group_.size();
      const int64_t last = count * (rank + 1) / group_.size();
      return Piece{chunk + first * item_bytes_, (last - first) * item_bytes_};
    };
    const Piece own = range(group_.rank);
    ExchangeAll([&](int peer) { return range(peer); },
                [&](int peer) {
                  return Piece{Slot(peer), own.bytes};
                });
    exchange_.RunRound();
    SumSlots(own.data, const_cast<char*>(own.data), own.bytes / item_bytes_);
    ExchangeAll([&](int) { return own; }, [&](int peer) { return range(peer); });
    exchange_.RunRound();
  }

  // The workspace in equal slots, one for what each other rank sends.
  int64_t SlotBytes() const {
    return memory_.workspace.num_bytes() / (group_.size() - 1) / kCacheLine * kCacheLine;
  }
  char* Slot(int peer) const {
    return static_cast<char*>(memory_.workspace.raw()) +
           SlotBytes() * (peer - (peer > group_.rank));
  }

  void SumSlots(const char* own, char* output, int64_t count) {
    std::vector<const void*>& inputs = exchange_.scratch_pointers();
    inputs.clear();
    for (int rank = 0; rank < group_.size(); ++rank) {
      inputs.push_back(rank == group_.rank ? own : Slot(rank));
    }
    if (memory_.access != nullptr) {
      memory_.access->SumInRankOrder(call_.dtype, inputs, output, count);
    } else {
      SumInRankOrder(call_.dtype, inputs, output, count);
    }
  }

  const CollectiveCall& call_;
  const Membership& group_;
  CallHeader header_;
  const CallMemory& memory_;
  Exchange& exchange_;
  int64_t item_bytes_;
  const char* input_;
  char* output_;
  bool announced_ = false;
};

}  // namespace

void RunOrdered(std::span<const CollectiveCall> calls, const Membership& group,
                const CallInfo& info, const CallMemory& memory, Exchange& exchange) {
  OrderedCall call(calls[0], group, info, memory, exchange);
  switch (calls[0].op) {
    case CollectiveOp::kAllReduce:
      return call.AllReduce();
    case CollectiveOp::kReduceScatter:
      return call.ReduceScatter();
    case CollectiveOp::kAllGather:
      return call.AllGather();
    case CollectiveOp::kAllToAll:
      return call.AllToAll();
    case CollectiveOp::kAllToAllUneven:
      return call.AllToAllUneven();
    case CollectiveOp::kBroadcast:
      return call.Broadcast();
    case CollectiveOp::kBarrier:
      return call.Barrier();
    case CollectiveOp::kSend:
    case CollectiveOp::kReceive:
      for (const CollectiveCall& one : calls) {
        CallInfo one_info = info;
        one_info.dtype = one.dtype;
        one_info.site = one.site;
        OrderedCall(one, group, one_info, memory, exchange).AddSendOrReceive();
      }
      return exchange.RunRound();
    case CollectiveOp::kGroup:
    case CollectiveOp::kMakeGroup:
      CADMUS_UNREACHABLE("not a call of a communicator");
  }
}

}  // namespace cadmus
