// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/nccl_bootstrap.h"

#include <numeric>
#include <utility>
#include <vector>

#include "collectives/communicator/meeting_options.h"
#include "collectives/nccl/nccl_communicator.h"
#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus {
namespace {

class NcclBootstrap final : public Bootstrap {
 public:
  explicit NcclBootstrap(Bootstrap& host)
      : Bootstrap(host.rank(), host.size(), host.local_rank(), host.local_size()),
        host_(host),
        library_(LoadNccl()),
        watcher_(RankLabel()) {}

  using Bootstrap::Connect;
  std::unique_ptr<Communicator> Connect(Device& device,
                                        const CommunicatorOptions& options) override {
    if (device.properties().kind != DeviceKind::kCuda) {
      throw Error(Kind::kConfig,
                  StrCat("NCCL moves memory of GPUs, and the device is ", device.properties().name,
                         ": set communication.transport = AUTO"));
    }
    std::vector<int> all(static_cast<size_t>(size()));
    std::iota(all.begin(), all.end(), 0);
    return std::make_unique<NcclCommunicator>(
        NcclCommunicator::Shared{
            .library = library_, .recorder = mutable_recorder(), .watcher = watcher_},
        host_.Connect(device, MeetingOptions(options, size())), std::move(all), options);
  }

  void Abort(int exit_code) noexcept override { host_.Abort(exit_code); }

 private:
  Bootstrap& host_;
  const NcclLibrary& library_;
  CallWatcher watcher_;
};

}  // namespace

FoundNccl FindNccl() {
  FoundNccl found;
  try {
    CheckNccl(LoadNccl(), LoadNccl().GetVersion(&found.version), "ncclGetVersion", "");
  } catch (const Error& error) {
    if (error.kind() != Kind::kConfig) throw;
    found.problem = error.message();
  }
  return found;
}

std::unique_ptr<Bootstrap> StartNccl(Bootstrap& host) {
  return std::make_unique<NcclBootstrap>(host);
}

}  // namespace cadmus
