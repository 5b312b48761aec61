// SPDX-License-Identifier: Apache-2.0
// Launch: how every op reaches its kernel: noted in the device's trace if one is attached, then
// looked up and run. Called by kernels/ops after the checks; nobody else needs it.
#pragma once

#include "kernels/device/device.h"
#include "kernels/device/trace.h"

namespace cadmus {

template <class Args>
TraceEntry DescribeOp(const Args& args, const Stream& stream) {
  AccessCollector collector;
  args.Visit(collector);
  TraceEntry entry;
  entry.kind = TraceEntry::Kind::kOp;
  entry.stream = stream.id();
  entry.name = Args::kName;
  entry.detail = collector.TakeDetail();
  entry.cost = Cost(args);
  entry.accesses = collector.Take();
  return entry;
}

template <class Args>
void Launch(const Args& args, Stream& stream) {
  Device& device = stream.device();
  if (device.trace() != nullptr) device.trace()->Append(DescribeOp(args, stream));
  device.kernels().Run(args, stream);
}

}  // namespace cadmus
