// SPDX-License-Identifier: Apache-2.0
#include "collectives/sim/sim_communicator.h"

#include <algorithm>

#include "collectives/communicator/meeting_options.h"
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
  const auto size = static_cast<int>(members.size());
  std::unique_ptr<Communicator> meeting;
  if (meeting_ != nullptr) {
    meeting = meeting_->MakeGroup(members, name, MeetingOptions(options, size));
  }
  return std::make_unique<SimCommunicator>(std::move(name),
                                           static_cast<int>(self - members.begin()), size, device(),
                                           options, std::move(meeting));
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
  std::unique_ptr<Communicator> meeting;
  if (groups_ == SimGroups::kNccl) {
    meeting = std::make_unique<SimCommunicator>("world", rank(), size(), device,
                                                MeetingOptions(options, size()));
  }
  return std::make_unique<SimCommunicator>("world", rank(), size(), device, options,
                                           std::move(meeting));
}

}  // namespace cadmus
