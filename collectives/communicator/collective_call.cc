// SPDX-License-Identifier: Apache-2.0
#include "collectives/communicator/collective_call.h"

namespace cadmus {

CallInfo InfoOf(std::span<const CollectiveCall> calls, std::string_view group, int64_t sequence) {
  CallInfo info{.group = group,
                .op = calls.size() > 1 ? CollectiveOp::kGroup : calls[0].op,
                .sequence = sequence,
                .dtype = calls[0].dtype,
                .site = calls[0].site};
  for (const CollectiveCall& call : calls) info.bytes += call.payload_bytes;
  return info;
}

}  // namespace cadmus
