// SPDX-License-Identifier: Apache-2.0
// The contract of Communicator as test cases that run on every implementation that moves data:
// each rank runs the same case with its own communicator and stream.
#pragma once

#include <ostream>
#include <span>

#include "collectives/communicator/communicator.h"
#include "kernels/cpu/cpu_streams.h"
#include "kernels/device/device.h"

namespace cadmus {

// Which stream the calls are issued to.
struct StreamMode {
  const char* name;
  CpuStreams streams;
  StreamKind kind;
};
inline constexpr StreamMode kStreamModes[] = {
    {"ComputeInline", CpuStreams::kInline, StreamKind::kCompute},
    {"CommunicationWorker", CpuStreams::kInline, StreamKind::kCommunication},
    {"ComputeThreaded", CpuStreams::kThreaded, StreamKind::kCompute}};
// Those that differ on a device.
inline std::span<const StreamMode> StreamModes(DeviceKind kind) {
  return std::span(kStreamModes).first(kind == DeviceKind::kCpu ? 3 : 2);
}

// Small, so that modest buffers take several chunks.
inline CommunicatorOptions ContractOptions() {
  return {.limit = std::chrono::seconds(20), .workspace_bytes = 4096};
}

// What a case holds an implementation to; NCCL promises the results alone.
enum class Promise { kResults, kRankOrder, kDisagreementIsNamed };

struct ContractCase {
  const char* name;
  void (*run)(Communicator& world, Stream& stream);
  Promise promise = Promise::kResults;
};
std::span<const ContractCase> ContractCases();
// Of sends beside other calls, on communication streams that the cases make for themselves.
std::span<const ContractCase> SendContractCases();

inline void PrintTo(const ContractCase& contract_case, std::ostream* out) {
  *out << contract_case.name;
}
inline void PrintTo(const StreamMode& mode, std::ostream* out) { *out << mode.name; }

}  // namespace cadmus
