// SPDX-License-Identifier: Apache-2.0
// Work of the host in a stream of the cuda device: how a communicator that talks from the host
// takes its turn there; and the copies and sums that it does meanwhile. Free of vendor headers.
#pragma once

#include <cstdint>
#include <exception>
#include <span>
#include <utility>

#include "kernels/base/dtype.h"
#include "kernels/device/device.h"
#include "kernels/device/work_queue.h"

namespace cadmus::cuda {

// The queue of the thread that issues to `stream`, a communication stream, on behalf of the rank's:
// started at the first call, and from then on marks, waits and copies pass through it, so that none
// overtakes the work of the host. Null for a compute stream, whose work of the host runs inline.
WorkQueue* HostQueueOf(Stream& stream);

// Blocks until the GPU has done what was issued to `stream`, at most the device's wait limit.
void AwaitGpu(Stream& stream);

// Issues `work` to a stream of a cuda device: called on the host once the stream has reached it;
// later work of the stream starts when it has ended. As on the cpu device, a compute stream runs it
// inline, and a communication stream on a thread of its own.
template <class Work>
void RunOnHost(Stream& stream, Work&& work) {
  WorkQueue* const queue = HostQueueOf(stream);
  if (queue == nullptr) {
    AwaitGpu(stream);
    return std::forward<Work>(work)();
  }
  queue->Push(
      [&stream, work = std::forward<Work>(work)]() mutable {
        AwaitGpu(stream);
        work();
      },
      stream.device().wait_limit());
}

// Makes the next wait of the host for `device` throw `failure`, also one that is under way: what a
// communicator has given up. Any thread.
void FailWaits(Device& device, std::exception_ptr failure);

// Both are done when they return. `stream` is of the calling thread alone, which works on its GPU.
// `bytes` from `from` to `to`, each in host memory or in that of the GPU.
void CopyAndWait(void* to, const void* from, int64_t bytes, Stream& stream);
// output[i] = ((inputs[0][i] + inputs[1][i]) + inputs[2][i]) + …, for i in [0, count), in `dtype`
// (kF64 or kF32); kBF16 is summed in f32 and rounded once: the bits of the cpu device. `output` may
// be one of the inputs. Throws kConfig for more than kMaxSumInputs of them.
inline constexpr int kMaxSumInputs = 256;
void SumInRankOrderAndWait(DType dtype, std::span<const void* const> inputs, void* output,
                           int64_t count, Stream& stream);

}  // namespace cadmus::cuda
