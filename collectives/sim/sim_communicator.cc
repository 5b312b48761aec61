// SPDX-License-Identifier: Apache-2.0
#include "collectives/sim/sim_communicator.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace cadmus {

std::unique_ptr<Communicator> SimCommunicator::MakeGroup(std::span<const int> members,
                                                         std::string name,
                                                         const CommunicatorOptions& options) {
  const auto self = std::find(members.begin(), members.end(), rank());
  CADMUS_CHECK(self != members.end(), StrCat("rank ", rank(), " of group ", this->name(),
                                             " makes a group without itself"));
  CADMUS_CHECK(std::all_of(members.begin(), members.end(),
                           [&](int member) { return 0 <= member && member < size(); }),
               StrCat("a member of group ", name, " is not in group ", this->name()));
  return std::make_unique<SimCommunicator>(std::move(name),
                                           static_cast<int>(self - members.begin()),
                                           static_cast<int>(members.size()), device(), options);
}

void SimCommunicator::Revoke(const std::string&) {
  throw Error(Kind::kCommunication,
              StrCat("group ", name(), " only records: it cannot be revoked"));
}

std::unique_ptr<Communicator> SimCommunicator::Rebuild(int64_t, std::span<const int>) {
  throw Error(Kind::kCommunication,
              StrCat("group ", name(), " only records: it cannot be rebuilt"));
}

std::unique_ptr<Communicator> SimBootstrap::Connect(Device& device,
                                                    const CommunicatorOptions& options) {
  return std::make_unique<SimCommunicator>("world", rank(), size(), device, options);
}

}  // namespace cadmus
