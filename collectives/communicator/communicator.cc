// SPDX-License-Identifier: Apache-2.0
#include "collectives/communicator/communicator.h"

#include <algorithm>
#include <exception>
#include <numeric>

#include "kernels/device/trace.h"

namespace cadmus {
namespace {

bool CanBeSummed(DType dtype) {
  return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kBF16;
}

bool Overlap(const ConstTensorView& a, const ConstTensorView& b) {
  const auto* a_begin = static_cast<const char*>(a.raw());
  const auto* b_begin = static_cast<const char*>(b.raw());
  return a.num_bytes() > 0 && b.num_bytes() > 0 && a_begin < b_begin + b.num_bytes() &&
         b_begin < a_begin + a.num_bytes();
}

// Part `index` of `whole` in elements [index * count, (index + 1) * count) is `part` itself, or the
// two share nothing.
void CheckPartOrDisjoint(const char* op, const ConstTensorView& whole, const ConstTensorView& part,
                         int index) {
  const char* place =
      static_cast<const char*>(whole.raw()) + static_cast<int64_t>(index) * part.num_bytes();
  CADMUS_CHECK(part.raw() == place || !Overlap(whole, part),
               StrCat(op, ": input and output overlap, and not in this rank's part"));
}

void CheckBuffer(const char* op, const char* name, const ConstTensorView& view) {
  CADMUS_CHECK(view && view.IsContiguous(),
               StrCat(op, ": ", name, " must be present and contiguous"));
}

void CheckPair(const char* op, const ConstTensorView& input, const ConstTensorView& output) {
  CheckBuffer(op, "input", input);
  CheckBuffer(op, "output", output);
  CADMUS_CHECK(input.dtype() == output.dtype(), StrCat(op, ": input is ", Name(input.dtype()),
                                                       ", output is ", Name(output.dtype())));
}

void CheckSummable(const char* op, DType dtype) {
  CADMUS_CHECK(CanBeSummed(dtype),
               StrCat(op, ": sums are of F64, F32 and BF16, not of ", Name(dtype)));
}

void CheckCounts(const char* name, std::span<const int64_t> counts, int size,
                 int64_t num_elements) {
  CADMUS_CHECK(static_cast<int>(counts.size()) == size,
               StrCat("AllToAllUneven: ", counts.size(), " ", name, " for ", size, " ranks"));
  CADMUS_CHECK(std::all_of(counts.begin(), counts.end(), [](int64_t count) { return count >= 0; }),
               StrCat("AllToAllUneven: negative ", name));
  const int64_t sum = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  CADMUS_CHECK(sum == num_elements,
               StrCat("AllToAllUneven: ", name, " add up to ", sum, ", not ", num_elements));
}

}  // namespace

Communicator::Communicator(std::string name, int rank, int size, Device& device,
                           const CommunicatorOptions& options)
    : name_(std::move(name)), rank_(rank), size_(size), device_(device), options_(options) {
  CADMUS_CHECK(0 <= rank && rank < size, StrCat("rank ", rank, " of ", size));
  CADMUS_CHECK(options.limit.count() > 0, "the time limit of a group must be positive");
  CADMUS_CHECK(options.workspace_bytes >= int64_t{8} * size,
               StrCat("a workspace of ", options.workspace_bytes, " bytes for ", size, " ranks"));
  if (size > 1) {
    workspace_stream_ = device.NewStream(StreamKind::kCompute, name_ + " workspace");
    workspace_ = Tensor(DType::kU8, {options.workspace_bytes}, MemoryCategory::kCommunication,
                        *workspace_stream_);
  }
}

Tensor Communicator::Allocate(DType dtype, const Shape& shape, MemoryCategory category,
                              Stream& stream) {
  return Tensor(dtype, shape, category, stream);
}

void Communicator::AllReduce(const AllReduceArgs& args, Stream& stream) {
  CheckBuffer("AllReduce", "buffer", args.buffer);
  CheckSummable("AllReduce", args.buffer.dtype());
  Submit({.op = CollectiveOp::kAllReduce,
          .dtype = args.buffer.dtype(),
          .input = args.buffer.raw(),
          .output = args.buffer.raw(),
          .count = args.buffer.num_elements(),
          .site = args.site,
          .payload_bytes = args.buffer.num_bytes()},
         args.buffer, args.buffer, stream);
}

void Communicator::ReduceScatter(const ReduceScatterArgs& args, Stream& stream) {
  CheckPair("ReduceScatter", args.input, args.output);
  CheckSummable("ReduceScatter", args.input.dtype());
  CADMUS_CHECK(args.input.num_elements() == size_ * args.output.num_elements(),
               StrCat("ReduceScatter: input ", args.input.shape().ToString(), " is not ", size_,
                      " times output ", args.output.shape().ToString()));
  CheckPartOrDisjoint("ReduceScatter", args.input, args.output, rank_);
  Submit({.op = CollectiveOp::kReduceScatter,
          .dtype = args.input.dtype(),
          .input = args.input.raw(),
          .output = args.output.raw(),
          .count = args.output.num_elements(),
          .site = args.site,
          .payload_bytes = args.input.num_bytes()},
         args.input, args.output, stream);
}

void Communicator::AllGather(const AllGatherArgs& args, Stream& stream) {
  CheckPair("AllGather", args.input, args.output);
  CADMUS_CHECK(args.output.num_elements() == size_ * args.input.num_elements(),
               StrCat("AllGather: output ", args.output.shape().ToString(), " is not ", size_,
                      " times input ", args.input.shape().ToString()));
  CheckPartOrDisjoint("AllGather", args.output, args.input, rank_);
  Submit({.op = CollectiveOp::kAllGather,
          .dtype = args.input.dtype(),
          .input = args.input.raw(),
          .output = args.output.raw(),
          .count = args.input.num_elements(),
          .site = args.site,
          .payload_bytes = args.output.num_bytes()},
         args.input, args.output, stream);
}

void Communicator::AllToAll(const AllToAllArgs& args, Stream& stream) {
  CheckPair("AllToAll", args.input, args.output);
  CADMUS_CHECK(args.input.num_elements() == args.output.num_elements() &&
                   args.input.num_elements() % size_ == 0,
               StrCat("AllToAll: input ", args.input.shape().ToString(), " and output ",
                      args.output.shape().ToString(), " are not ", size_, " equal parts"));
  CADMUS_CHECK(!Overlap(args.input, args.output), "AllToAll: input and output overlap");
  Submit({.op = CollectiveOp::kAllToAll,
          .dtype = args.input.dtype(),
          .input = args.input.raw(),
          .output = args.output.raw(),
          .count = args.input.num_elements() / size_,
          .site = args.site,
          .payload_bytes = args.input.num_bytes()},
         args.input, args.output, stream);
}

void Communicator::AllToAllUneven(const AllToAllUnevenArgs& args, Stream& stream) {
  CheckPair("AllToAllUneven", args.input, args.output);
  CheckCounts("input counts", args.input_counts, size_, args.input.num_elements());
  CheckCounts("output counts", args.output_counts, size_, args.output.num_elements());
  const auto self = static_cast<size_t>(rank_);
  CADMUS_CHECK(args.input_counts[self] == args.output_counts[self],
               StrCat("AllToAllUneven: this rank gives itself ", args.input_counts[self],
                      " elements and takes ", args.output_counts[self]));
  CADMUS_CHECK(!Overlap(args.input, args.output), "AllToAllUneven: input and output overlap");
  Submit({.op = CollectiveOp::kAllToAllUneven,
          .dtype = args.input.dtype(),
          .input = args.input.raw(),
          .output = args.output.raw(),
          .input_counts = args.input_counts,
          .output_counts = args.output_counts,
          .site = args.site,
          .payload_bytes = std::max(args.input.num_bytes(), args.output.num_bytes())},
         args.input, args.output, stream);
}

void Communicator::Broadcast(const BroadcastArgs& args, Stream& stream) {
  CheckBuffer("Broadcast", "buffer", args.buffer);
  CADMUS_CHECK(0 <= args.root && args.root < size_,
               StrCat("Broadcast: root ", args.root, " of ", size_, " ranks"));
  Submit({.op = CollectiveOp::kBroadcast,
          .dtype = args.buffer.dtype(),
          .input = args.buffer.raw(),
          .output = args.buffer.raw(),
          .count = args.buffer.num_elements(),
          .peer = args.root,
          .site = args.site,
          .payload_bytes = args.buffer.num_bytes()},
         rank_ == args.root ? args.buffer : TensorView(),
         rank_ == args.root ? TensorView() : args.buffer, stream);
}

void Communicator::Barrier(const char* site, Stream& stream) {
  Submit({.op = CollectiveOp::kBarrier, .site = site}, {}, {}, stream);
}

void Communicator::Send(const SendArgs& args, Stream& stream) {
  CheckBuffer("Send", "buffer", args.buffer);
  CADMUS_CHECK(0 <= args.peer && args.peer < size_ && (in_group_ || args.peer != rank_),
               StrCat("Send: to rank ", args.peer, " by rank ", rank_, " of ", size_));
  Submit({.op = CollectiveOp::kSend,
          .dtype = args.buffer.dtype(),
          .input = args.buffer.raw(),
          .count = args.buffer.num_elements(),
          .peer = args.peer,
          .site = args.site,
          .payload_bytes = args.buffer.num_bytes()},
         args.buffer, {}, stream);
}

void Communicator::Receive(const ReceiveArgs& args, Stream& stream) {
  CheckBuffer("Receive", "buffer", args.buffer);
  CADMUS_CHECK(0 <= args.peer && args.peer < size_ && (in_group_ || args.peer != rank_),
               StrCat("Receive: from rank ", args.peer, " by rank ", rank_, " of ", size_));
  Submit({.op = CollectiveOp::kReceive,
          .dtype = args.buffer.dtype(),
          .output = args.buffer.raw(),
          .count = args.buffer.num_elements(),
          .peer = args.peer,
          .site = args.site,
          .payload_bytes = args.buffer.num_bytes()},
         {}, args.buffer, stream);
}

void Communicator::Submit(const CollectiveCall& call, const ConstTensorView& input,
                          const TensorView& output, Stream& stream) {
  const bool point_to_point = call.op == CollectiveOp::kSend || call.op == CollectiveOp::kReceive;
  CADMUS_CHECK(!in_group_ || point_to_point,
               StrCat("group ", name_, ": ", Name(call.op), " inside a Group of sends"));
  CADMUS_CHECK(&stream.device() == &device_,
               StrCat("group ", name_, ": stream ", stream.name(), " is of another device"));
  if (device_.trace() != nullptr) AppendToTrace(call, input, output, stream);
  if (!in_group_) {
    Issue({&call, 1}, stream);
    return;
  }
  CADMUS_CHECK(group_stream_ == nullptr || group_stream_ == &stream,
               StrCat("group ", name_, ": a Group of sends and receives on two streams"));
  group_stream_ = &stream;
  group_calls_.push_back(call);
}

void Communicator::AppendToTrace(const CollectiveCall& call, const ConstTensorView& input,
                                 const TensorView& output, const Stream& stream) const {
  AccessCollector collector;
  if (output && input.raw() == output.raw() && input.num_bytes() == output.num_bytes()) {
    collector.ReadWrite("buffer", output);
  } else {
    collector.Read("input", input);
    collector.Write("output", output);
  }
  TraceEntry entry;
  entry.kind = TraceEntry::Kind::kCollective;
  entry.stream = stream.id();
  entry.name = StrCat(name_, "/", Name(call.op));
  entry.detail = call.site;
  entry.payload_bytes = call.payload_bytes;
  entry.accesses = collector.Take();
  device_.trace()->Append(std::move(entry));
}

void Communicator::BeginGroup() {
  CADMUS_CHECK(!in_group_, StrCat("group ", name_, ": a Group inside a Group"));
  in_group_ = true;
  group_calls_.clear();
  group_stream_ = nullptr;
}

void Communicator::EndGroup() {
  in_group_ = false;
  if (group_stream_ != nullptr) Issue(group_calls_, *group_stream_);
}

void Communicator::DiscardGroup() noexcept { in_group_ = false; }

Group::Group(Communicator& communicator)
    : communicator_(communicator), exceptions_at_start_(std::uncaught_exceptions()) {
  communicator_.BeginGroup();
}

Group::~Group() noexcept(false) {
  if (std::uncaught_exceptions() > exceptions_at_start_) {
    communicator_.DiscardGroup();
  } else {
    communicator_.EndGroup();
  }
}

}  // namespace cadmus
