// SPDX-License-Identifier: Apache-2.0
#include "collectives/local/local_world.h"

#include <exception>
#include <mutex>
#include <thread>

#include "collectives/local/local_transport.h"
#include "collectives/ordered/endpoint.h"
#include "collectives/ordered/ordered_communicator.h"
#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus {

class LocalWorld::LocalBootstrap final : public Bootstrap {
 public:
  LocalBootstrap(LocalWorld& world, int rank, int size)
      : Bootstrap(rank, size, rank, size),
        world_(world),
        transport_(*world.mailboxes_, rank),
        worker_(StrCat("rank ", rank)),
        endpoint_(transport_, worker_, mutable_recorder()) {}

  using Bootstrap::Connect;
  std::unique_ptr<Communicator> Connect(Device& device,
                                        const CommunicatorOptions& options) override {
    return OrderedCommunicator::Connect(endpoint_, rank(), size(), device, options);
  }

  void Abort(int exit_code) noexcept override {
    try {
      world_.Stop(StrCat("rank ", rank(), " aborted with exit code ", exit_code));
    } catch (const std::exception& e) {
      LogError(StrCat("the other ranks could not be told of the abort: ", e.what()));
    }
  }

 private:
  LocalWorld& world_;
  LocalTransport transport_;
  CommunicationWorker worker_;
  Endpoint endpoint_;
};

LocalWorld::LocalWorld(int num_ranks) : mailboxes_(std::make_unique<Mailboxes>(num_ranks)) {
  CADMUS_CHECK(num_ranks > 0, StrCat("a world of ", num_ranks, " ranks"));
  for (int rank = 0; rank < num_ranks; ++rank) {
    bootstraps_.push_back(std::make_unique<LocalBootstrap>(*this, rank, num_ranks));
  }
}

LocalWorld::~LocalWorld() = default;

void LocalWorld::Stop(const std::string& reason) {
  for (Doorbell& doorbell : mailboxes_->doorbells) {
    std::lock_guard lock(doorbell.mutex);
    if (doorbell.stopped.empty()) doorbell.stopped = reason;
    ++doorbell.num_rings;
    doorbell.rung.notify_one();
  }
}

void RunLocalRanks(int num_ranks, const std::function<void(Bootstrap&)>& body) {
  LocalWorld world(num_ranks);
  std::mutex mutex;
  std::exception_ptr first_failure;
  const auto fail = [&](int rank, const char* what) {
    std::lock_guard lock(mutex);
    if (first_failure != nullptr) return;
    first_failure = std::current_exception();
    world.Stop(StrCat("rank ", rank, " has failed: ", what));
  };
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < num_ranks; ++rank) {
      threads.emplace_back([&, rank] {
        SetRankLabel(StrCat("rank ", rank));
        try {
          body(world.bootstrap(rank));
        } catch (const std::exception& e) {
          fail(rank, e.what());
        } catch (...) {
          fail(rank, "an exception of unknown type");
        }
      });
    }
  }
  if (first_failure != nullptr) std::rethrow_exception(first_failure);
}

}  // namespace cadmus
