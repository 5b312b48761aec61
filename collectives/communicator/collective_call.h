// SPDX-License-Identifier: Apache-2.0
// CollectiveCall: one checked call, in the form in which every implementation receives it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "collectives/recorder/recorder.h"
#include "kernels/base/dtype.h"

namespace cadmus {

struct CollectiveCall {
  CollectiveOp op = CollectiveOp::kBarrier;
  DType dtype = DType::kNone;
  const void* input = nullptr;  // what this rank gives
  void* output = nullptr;       // where the result goes; operations in place have it as input too
  // Elements of the buffer of all-reduce, broadcast, send and receive; of one of the equal parts of
  // reduce-scatter, all-gather and all-to-all; 0 for the others.
  int64_t count = 0;
  int peer = -1;  // of send and receive; the root of a broadcast
  // Of the uneven all-to-all; borrowed from the caller, only until Issue returns.
  std::span<const int64_t> input_counts = {};
  std::span<const int64_t> output_counts = {};
  const char* site = "";
  int64_t payload_bytes = 0;  // of the larger of input and output: what records and traces show
};

// How records and messages name calls that are issued together, at least one.
CallInfo InfoOf(std::span<const CollectiveCall> calls, std::string_view group, int64_t sequence);

}  // namespace cadmus
