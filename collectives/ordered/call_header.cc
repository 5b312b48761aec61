// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/call_header.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace cadmus {

CallHeader MakeHeader(const CallInfo& info) {
  CallHeader header;
  header.op = info.op;
  header.dtype = info.dtype;
  header.sequence = info.sequence;
  header.bytes = info.bytes;
  const size_t length = std::min(info.site.size(), header.site.size() - 1);
  std::copy_n(info.site.data(), length, header.site.data());
  return header;
}

void RequireTags(const Membership& group, const Transport& transport) {
  CADMUS_CHECK(kNumLanes * (group.context + 1) <= transport.max_tag(),
               StrCat("group ", group.name, ": too many groups for the transport's tags"));
}

void ThrowIfRevoked(const Transport& transport, const Membership& group, const CallInfo& info) {
  const std::optional<std::string> reason = transport.RevokedBecause(group.context);
  if (!reason) return;
  throw Error(Kind::kCommunication,
              StrCat("group ", group.name, " (", group.size(), " ranks), ", Describe(info),
                     " at rank ", group.rank, ": revoked: ", *reason));
}

}  // namespace cadmus
