// SPDX-License-Identifier: Apache-2.0
// CpuStreams: on which threads the streams of a cpu device run.
#pragma once

namespace cadmus {

enum class CpuStreams {
  kInline,    // a compute stream runs on the calling thread, a communication stream on a worker
  kThreaded,  // every stream is a worker: finds missing waits under a thread sanitizer
};

}  // namespace cadmus
