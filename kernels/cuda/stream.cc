// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/stream.h"

#include <thread>

#include "kernels/base/log.h"

namespace cadmus::cuda {
namespace {

using Clock = std::chrono::steady_clock;

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
  cudaEvent_t event = nullptr;
  CADMUS_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), Where{device_});
  handle_ = UniqueHandle<EventTraits>(event);
}

void CudaEvent::Synchronize(std::chrono::milliseconds limit) {
  if (stream_name_ == nullptr) return;  // never recorded
  Await([this] { return cudaEventQuery(handle_.get()); }, "cudaEventQuery", limit,
        Where{device_, *stream_name_}, StrCat("event ", id()));
  faults_->ThrowIfRaised();
}

CudaStream::CudaStream(Device& device, StreamKind kind, int id, std::string name, int ordinal,
                       std::shared_ptr<Faults> faults)
    : Stream(device, kind, id, name),
      ordinal_(ordinal),
      faults_(std::move(faults)),
      shared_name_(std::make_shared<const std::string>(std::move(name))) {
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
  try {
    Synchronize(device().wait_limit());
  } catch (const std::exception& e) {
    LogError(StrCat("stream ", name(), " ends after a failure that nobody waited for: ", e.what()));
  }
}

void CudaStream::Synchronize(std::chrono::milliseconds limit) {
  Await([this] { return cudaStreamQuery(handle_.get()); }, "cudaStreamQuery", limit, where(),
        "the end");
  faults_->ThrowIfRaised();
}

void CudaStream::DoRecord(Event& event) {
  auto& mark = static_cast<CudaEvent&>(event);
  CADMUS_CUDA_CHECK(cudaEventRecord(mark.handle_.get(), handle_.get()), where());
  mark.stream_name_ = shared_name_;
}

void CudaStream::DoWait(Event& event) {
  const auto& mark = static_cast<const CudaEvent&>(event);
  CADMUS_CUDA_CHECK(cudaStreamWaitEvent(handle_.get(), mark.handle_.get(), 0), where());
}

CudaStream& CudaStreamOf(Stream& stream) {
  auto* cuda_stream = dynamic_cast<CudaStream*>(&stream);
  CADMUS_CHECK(cuda_stream != nullptr,
               StrCat("stream ", stream.name(), " is not a stream of a cuda device"));
  return *cuda_stream;
}

}  // namespace cadmus::cuda
