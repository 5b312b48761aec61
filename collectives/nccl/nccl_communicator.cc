// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/nccl_communicator.h"

#include <exception>

#include "collectives/communicator/meeting_options.h"
#include "kernels/base/error.h"
#include "kernels/base/log.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/host_work.h"
#include "kernels/cuda/stream.h"

namespace cadmus {
namespace {

// Rank 0 asks NCCL for an id, and all are told it.
ncclUniqueId AgreeOnId(const NcclLibrary& library, Communicator& meeting) {
  ncclUniqueId id = {};
  if (meeting.rank() == 0) {
    CheckNccl(library, library.GetUniqueId(&id), "ncclGetUniqueId", meeting.name());
  }
  Device& device = meeting.device();
  const auto stream = device.NewStream(StreamKind::kCompute, "meeting");
  const Tensor shared(DType::kU8, {static_cast<int64_t>(sizeof(id))},
                      MemoryCategory::kCommunication, *stream);
  const TensorView host(&id, DType::kU8, shared.view().shape());
  device.CopyToDevice(shared, host, *stream);
  meeting.Broadcast({.buffer = shared, .site = "NCCL's id of the group"}, *stream);
  device.CopyToHost(host, shared, *stream);
  stream->Synchronize(device.wait_limit());
  return id;
}

ncclDataType_t SummedAs(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return ncclFloat64;
    case DType::kF32:
      return ncclFloat32;
    case DType::kBF16:
      return ncclBfloat16;
    default:
      CADMUS_UNREACHABLE("sums of other dtypes are refused at the call");
  }
}

int CurrentDevice() {
  int ordinal = 0;
  CADMUS_CUDA_CHECK(cudaGetDevice(&ordinal), cuda::Where{});
  return ordinal;
}

bool IsLone(std::span<const CollectiveCall> calls, CollectiveOp op) {
  return calls.size() == 1 && calls[0].op == op;
}

bool HasFailed(ncclResult_t result) { return result != ncclSuccess && result != ncclInProgress; }

}  // namespace

void NcclCommunicator::MarkTraits::Close(Handle event) noexcept {
  if (const cudaError_t error = cudaEventDestroy(event); error != cudaSuccess) {
    cuda::LogCudaError(error, "cudaEventDestroy", {});
  }
}

NcclCommunicator::NcclCommunicator(const Shared& shared, std::unique_ptr<Communicator> meeting,
                                   std::vector<int> world_ranks, const CommunicatorOptions& options)
    : Communicator(meeting->name(), meeting->rank(), meeting->size(), meeting->device(), options),
      shared_(shared),
      meeting_(std::move(meeting)),
      world_ranks_(std::move(world_ranks)),
      ordinal_(CurrentDevice()),
      marks_(MakeMarks()),
      group_(shared.library, {.name = name(),
                              .rank = rank(),
                              .size = size(),
                              .id = AgreeOnId(shared.library, *meeting_),
                              .limit = options.limit}),
      watch_({.rank = rank(), .world_ranks = world_ranks_}, options.limit, shared.recorder, *this),
      watched_(shared.watcher, watch_) {
  Warm();
}

NcclCommunicator::~NcclCommunicator() {
  if (!watch_.AwaitIdle(device().wait_limit())) {
    LogError(StrCat("group ", name(), " ends with calls under way"));
  }
}

std::vector<NcclCommunicator::Marks> NcclCommunicator::MakeMarks() {
  const auto make = [] {
    cudaEvent_t event = nullptr;
    CADMUS_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cuda::Where{});
    return UniqueHandle<MarkTraits>(event);
  };
  std::vector<Marks> marks;
  for (int i = 0; i < CallWatch::kMaxCalls; ++i) marks.push_back({.begin = make(), .end = make()});
  return marks;
}

// NCCL connects the ranks at the first call of a kind, which may take seconds.
void NcclCommunicator::Warm() {
  const auto stream = device().NewStream(StreamKind::kCompute, "warming");
  if (workspace()) device().FillZero(workspace(), *stream);
  const CollectiveCall barrier = {.op = CollectiveOp::kBarrier, .site = "warming"};
  Issue({&barrier, 1}, *stream);
  stream->Synchronize(device().wait_limit());
  num_collectives_ = 0;
}

Tensor NcclCommunicator::Allocate(DType dtype, const Shape& shape, MemoryCategory category,
                                  Stream& stream) {
  Tensor tensor(dtype, shape, category, stream);
  const TensorView& view = tensor.view();
  if (view.num_bytes() > 0 && registered_.emplace(view.raw(), view.num_bytes()).second) {
    group_.Register(view.raw(), view.num_bytes());
  }
  return tensor;
}

std::unique_ptr<Communicator> NcclCommunicator::MakeGroup(std::span<const int> members,
                                                          std::string name,
                                                          const CommunicatorOptions& options) {
  watch_.ThrowIfFailed();
  const auto size = static_cast<int>(members.size());
  auto meeting = meeting_->MakeGroup(members, std::move(name), MeetingOptions(options, size));
  std::vector<int> world_ranks;
  for (int member : members) world_ranks.push_back(world_ranks_[static_cast<size_t>(member)]);
  return std::make_unique<NcclCommunicator>(shared_, std::move(meeting), std::move(world_ranks),
                                            options);
}

void NcclCommunicator::Revoke(const std::string&) {
  throw Error(Kind::kCommunication,
              StrCat("group ", name(),
                     ": NCCL groups are neither revoked nor rebuilt: restart the job from its last "
                     "checkpoint"));
}

std::unique_ptr<Communicator> NcclCommunicator::Rebuild(int64_t, std::span<const int>) {
  Revoke("");
  return nullptr;
}

void NcclCommunicator::Issue(std::span<const CollectiveCall> calls, Stream& stream) {
  const bool is_point_to_point =
      calls[0].op == CollectiveOp::kSend || calls[0].op == CollectiveOp::kReceive;
  const int64_t sequence = is_point_to_point ? num_point_to_point_++ : num_collectives_++;
  const bool waits_for_one =
      IsLone(calls, CollectiveOp::kSend) || IsLone(calls, CollectiveOp::kReceive);
  const cuda::CudaStream& to = cuda::CudaStreamOf(stream);
  const cudaStream_t handle = to.handle();
  const int slot = watch_.Take(InfoOf(calls, name(), sequence), waits_for_one ? calls[0].peer : -1,
                               device().wait_limit());
  const Marks& marks = marks_[static_cast<size_t>(slot)];
  try {
    CADMUS_CUDA_CHECK(cudaEventRecord(marks.begin.get(), handle), to.where());
    group_.Issue(Name(calls[0].op).data(), [&](ncclComm_t comm) {
      for (const CollectiveCall& call : calls) {
        if (const ncclResult_t result = Enqueue(call, comm, handle); HasFailed(result)) {
          return result;
        }
      }
      return ncclSuccess;
    });
    CADMUS_CUDA_CHECK(cudaEventRecord(marks.end.get(), handle), to.where());
  } catch (...) {
    watch_.NotIssued(slot);
    watch_.Fail(std::current_exception());
    throw;
  }
  watch_.Issued(slot);
  shared_.watcher.Wake();
}

ncclResult_t NcclCommunicator::Enqueue(const CollectiveCall& call, ncclComm_t comm,
                                       cudaStream_t stream) {
  const NcclLibrary& nccl = shared_.library;
  const auto count = static_cast<size_t>(call.count);
  const size_t bytes = count * static_cast<size_t>(SizeOf(call.dtype));
  switch (call.op) {
    case CollectiveOp::kAllReduce:
      return nccl.AllReduce(call.input, call.output, count, SummedAs(call.dtype), ncclSum, comm,
                            stream);
    case CollectiveOp::kReduceScatter:
      return nccl.ReduceScatter(call.input, call.output, count, SummedAs(call.dtype), ncclSum, comm,
                                stream);
    case CollectiveOp::kAllGather:
      return nccl.AllGather(call.input, call.output, bytes, ncclUint8, comm, stream);
    case CollectiveOp::kAllToAll:
    case CollectiveOp::kAllToAllUneven:
      return EnqueueAllToAll(call, comm, stream);
    case CollectiveOp::kBroadcast:
      return nccl.Broadcast(call.input, call.output, bytes, ncclUint8, call.peer, comm, stream);
    case CollectiveOp::kBarrier:
      if (!workspace()) return ncclSuccess;
      return nccl.AllReduce(workspace().raw(), workspace().raw(), 1, ncclUint8, ncclSum, comm,
                            stream);
    case CollectiveOp::kSend:
      return nccl.Send(call.input, bytes, ncclUint8, call.peer, comm, stream);
    case CollectiveOp::kReceive:
      return nccl.Recv(call.output, bytes, ncclUint8, call.peer, comm, stream);
    case CollectiveOp::kGroup:
    case CollectiveOp::kMakeGroup:
      break;
  }
  CADMUS_UNREACHABLE("not a call of a communicator");
}

// As sends and receives of one group of NCCL's; the part of the rank itself among them.
ncclResult_t NcclCommunicator::EnqueueAllToAll(const CollectiveCall& call, ncclComm_t comm,
                                               cudaStream_t stream) {
  const NcclLibrary& nccl = shared_.library;
  const auto* from = static_cast<const char*>(call.input);
  auto* to = static_cast<char*>(call.output);
  const int64_t item_bytes = SizeOf(call.dtype);
  const bool is_even = call.op == CollectiveOp::kAllToAll;
  for (int peer = 0; peer < size(); ++peer) {
    const auto index = static_cast<size_t>(peer);
    const int64_t send_bytes = item_bytes * (is_even ? call.count : call.input_counts[index]);
    const int64_t receive_bytes = item_bytes * (is_even ? call.count : call.output_counts[index]);
    ncclResult_t result = ncclSuccess;
    if (send_bytes > 0) {
      result = nccl.Send(from, static_cast<size_t>(send_bytes), ncclUint8, peer, comm, stream);
      if (HasFailed(result)) return result;
    }
    if (receive_bytes > 0) {
      result = nccl.Recv(to, static_cast<size_t>(receive_bytes), ncclUint8, peer, comm, stream);
      if (HasFailed(result)) return result;
    }
    from += send_bytes;
    to += receive_bytes;
  }
  return ncclSuccess;
}

WatchedCalls::Phase NcclCommunicator::PhaseOf(int slot) {
  // The watcher's thread has opened no device; what fails here fails in the queries too.
  static_cast<void>(cudaSetDevice(ordinal_));
  const Marks& marks = marks_[static_cast<size_t>(slot)];
  if (cudaEventQuery(marks.end.get()) == cudaSuccess) return Phase::kDone;
  return cudaEventQuery(marks.begin.get()) == cudaSuccess ? Phase::kRunning : Phase::kWaiting;
}

std::string NcclCommunicator::AsyncError() { return group_.AsyncError(); }

void NcclCommunicator::Abort(std::exception_ptr failure) noexcept {
  cuda::FailWaits(device(), std::move(failure));
  group_.Abort();
}

}  // namespace cadmus
