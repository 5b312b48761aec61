// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/stream.h"

#include <thread>

#include "kernels/base/log.h"

namespace cadmus::cuda {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kHost = "the host";

// Waits until `query` no longer says cudaErrorNotReady: spins briefly, then naps. The driver's own
// waits have no limit.
template <class Query>
void Await(const Query& query, const char* call, std::chrono::milliseconds limit,
           const Where& where, std::string_view what) {
  constexpr auto kSpin = std::chrono::microseconds(200);
  constexpr auto kNap = std::chrono::microseconds(20);
  const Clock::time_point start = Clock::now();
  for (;;) {
    const cudaError_t status = query();
    if (status == cudaSuccess) return;
    if (status != cudaErrorNotReady) ThrowCudaError(status, call, where);
    static_cast<void>(cudaGetLastError());  // "not ready" is no error of a later call
    const auto waited = Clock::now() - start;
    if (waited > limit) {
      throw Error(Kind::kCommunication,
                  StrCat("the host waited ", limit.count(), " ms for ", what, " of stream ",
                         where.stream, " on CUDA device ", where.device));
    }
    if (waited > kSpin) {
      std::this_thread::sleep_for(kNap);
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace

void EventTraits::Close(Handle event) noexcept {
  if (const cudaError_t error = cudaEventDestroy(event); error != cudaSuccess) {
    LogCudaError(error, "cudaEventDestroy", Where{});
  }
}

void StreamTraits::Close(Handle stream) noexcept {
  if (const cudaError_t error = cudaStreamDestroy(stream); error != cudaSuccess) {
    LogCudaError(error, "cudaStreamDestroy", Where{});
  }
}

CudaEvent::CudaEvent(int id, int device, std::shared_ptr<Faults> faults)
    : Event(id), device_(device), faults_(std::move(faults)) {
  HandleOfNewMark();
}

CudaEvent::SharedHandle CudaEvent::HandleOfNewMark() {
  if (handle_.use_count() == 1) return handle_;
  cudaEvent_t event = nullptr;
  CADMUS_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), Where{device_});
  handle_ = std::make_shared<const UniqueHandle<EventTraits>>(event);
  return handle_;
}

void CudaEvent::Synchronize(std::chrono::milliseconds limit) {
  if (stream_name_ == nullptr) return;  // never recorded
  if (queue_ != nullptr) queue_->Await(place_, limit, {kHost, id()});
  const auto query = [this] {
    faults_->ThrowIfFailed();
    return cudaEventQuery(handle_->get());
  };
  Await(query, "cudaEventQuery", limit, Where{device_, *stream_name_}, StrCat("event ", id()));
  faults_->ThrowIfRaised();
}

CudaStream::CudaStream(Device& device, StreamKind kind, int id, std::string name, int ordinal,
                       std::shared_ptr<Faults> faults)
    : Stream(device, kind, id, name),
      ordinal_(ordinal),
      faults_(std::move(faults)),
      shared_name_(std::make_shared<const std::string>(std::move(name))),
      waiter_name_(StrCat("stream ", this->name())) {
  int lowest = 0, highest = 0;
  CADMUS_CUDA_CHECK(cudaDeviceGetStreamPriorityRange(&lowest, &highest), where());
  cudaStream_t stream = nullptr;
  CADMUS_CUDA_CHECK(
      cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking,
                                   kind == StreamKind::kCommunication ? highest : lowest),
      where());
  handle_ = UniqueHandle<StreamTraits>(stream);
}

CudaStream::~CudaStream() {
  const auto log_failure = [&](const auto& wait) {
    try {
      wait();
    } catch (const std::exception& e) {
      LogError(
          StrCat("stream ", name(), " ends after a failure that nobody waited for: ", e.what()));
    }
  };
  log_failure([&] { EndHostQueue(); });
  log_failure([&] { Synchronize(device().wait_limit()); });
}

WorkQueue* CudaStream::StartHostQueue() {
  if (kind() == StreamKind::kCompute) return nullptr;
  if (queue_ == nullptr) {
    queue_ = std::make_shared<WorkQueue>(name());
    queue_->Push([ordinal = ordinal_] { MakeCurrent(ordinal); }, device().wait_limit());
    worker_ = std::jthread([queue = queue_.get(), label = RankLabel()] {
      SetRankLabel(label);
      queue->RunWorker();
    });
  }
  return queue_.get();
}

// Lets the thread finish what was issued; throws the failure that nobody was told of.
void CudaStream::EndHostQueue() {
  const std::shared_ptr<WorkQueue> queue = std::exchange(queue_, nullptr);
  if (queue == nullptr) return;
  queue->Close();
  worker_.join();
  if (const std::exception_ptr failure = queue->TakeUnseenFailure()) {
    std::rethrow_exception(failure);
  }
}

cudaStream_t CudaStream::handle() const {
  if (queue_ != nullptr) queue_->Await(queue_->num_issued(), device().wait_limit(), {kHost});
  return handle_.get();
}

void CudaStream::AwaitGpu(std::chrono::milliseconds limit) const {
  Await([this] { return cudaStreamQuery(handle_.get()); }, "cudaStreamQuery", limit, where(),
        "the end");
}

void CudaStream::Synchronize(std::chrono::milliseconds limit) {
  if (queue_ != nullptr) queue_->Await(queue_->num_issued(), limit, {kHost});
  const auto query = [this] {
    faults_->ThrowIfFailed();
    return cudaStreamQuery(handle_.get());
  };
  Await(query, "cudaStreamQuery", limit, where(), "the end");
  faults_->ThrowIfRaised();
}

void CudaStream::DoRecord(Event& event) {
  auto& mark = static_cast<CudaEvent&>(event);
  Issue([this, handle = mark.HandleOfNewMark()](cudaStream_t to) {
    CADMUS_CUDA_CHECK(cudaEventRecord(handle->get(), to), where());
  });
  mark.stream_name_ = shared_name_;
  mark.queue_ = queue_;
  mark.place_ = queue_ == nullptr ? 0 : queue_->num_issued();
}

// A mark that a host queue has yet to make is awaited first, as on the cpu device: by the host on
// behalf of a stream that has no queue itself.
void CudaStream::DoWait(Event& event) {
  const auto& mark = static_cast<const CudaEvent&>(event);
  if (mark.queue_ != nullptr && mark.queue_ == queue_) return;
  const Waiter waiter = {waiter_name_, event.id()};
  Issue([this, waiter, handle = mark.handle_, queue = mark.queue_,
         place = mark.place_](cudaStream_t to) {
    if (queue != nullptr) queue->Await(place, device().wait_limit(), waiter);
    CADMUS_CUDA_CHECK(cudaStreamWaitEvent(to, handle->get(), 0), where());
  });
}

CudaStream& CudaStreamOf(Stream& stream) {
  auto* cuda_stream = dynamic_cast<CudaStream*>(&stream);
  CADMUS_CHECK(cuda_stream != nullptr,
               StrCat("stream ", stream.name(), " is not a stream of a cuda device"));
  return *cuda_stream;
}

}  // namespace cadmus::cuda
