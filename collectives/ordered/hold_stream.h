// SPDX-License-Identifier: Apache-2.0
// HoldStream: issues work of the host to a stream of any device that computes: it starts when the
// stream reaches it, and the stream goes on when it has ended.
#pragma once

#include <utility>

#include "kernels/cpu/stream.h"
#include "kernels/cuda/host_work.h"

namespace cadmus {

template <class Work>
void HoldStream(Stream& stream, Work&& work) {
  if (stream.device().properties().kind == DeviceKind::kCuda) {
    cuda::RunOnHost(stream, std::forward<Work>(work));
  } else {
    cpu::Run(stream, std::forward<Work>(work));
  }
}

}  // namespace cadmus
