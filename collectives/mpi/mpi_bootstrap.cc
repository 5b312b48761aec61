// SPDX-License-Identifier: Apache-2.0
#include "collectives/mpi/mpi_bootstrap.h"

#include <mpi.h>

#include <exception>
#include <utility>

#include "collectives/mpi/mpi_check.h"
#include "collectives/mpi/mpi_transport.h"
#include "collectives/ordered/communication_worker.h"
#include "collectives/ordered/endpoint.h"
#include "collectives/ordered/ordered_collectives.h"
#include "collectives/ordered/ordered_communicator.h"
#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus {
namespace {

struct Place {
  int rank = 0;
  int size = 1;
  int local_rank = 0;
  int local_size = 1;
};

// On the thread that will make all calls.
Place InitialiseMpi() {
  int provided = 0;
  CADMUS_MPI_CHECK(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided));
  CADMUS_CHECK(provided >= MPI_THREAD_FUNNELED, "MPI does not support threads at all");
  CADMUS_MPI_CHECK(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  Place place;
  CADMUS_MPI_CHECK(MPI_Comm_rank(MPI_COMM_WORLD, &place.rank));
  CADMUS_MPI_CHECK(MPI_Comm_size(MPI_COMM_WORLD, &place.size));
  MPI_Comm host = MPI_COMM_NULL;
  CADMUS_MPI_CHECK(
      MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, place.rank, MPI_INFO_NULL, &host));
  CADMUS_MPI_CHECK(MPI_Comm_rank(host, &place.local_rank));
  CADMUS_MPI_CHECK(MPI_Comm_size(host, &place.local_size));
  CADMUS_MPI_CHECK(MPI_Comm_free(&host));
  return place;
}

class MpiBootstrap final : public Bootstrap {
 public:
  MpiBootstrap(std::unique_ptr<CommunicationWorker> worker, const Place& place)
      : Bootstrap(place.rank, place.size, place.local_rank, place.local_size),
        exceptions_at_start_(std::uncaught_exceptions()),
        worker_(std::move(worker)),
        endpoint_(transport_, *worker_, mutable_recorder()) {}

  ~MpiBootstrap() override {
    if (std::uncaught_exceptions() > exceptions_at_start_) return;
    try {
      worker_->Run([&] { Finalise(); });
    } catch (const std::exception& e) {
      LogError(
          StrCat("MPI is not finalised, since not all ranks have come to the end: ", e.what()));
    }
  }

  using Bootstrap::Connect;
  std::unique_ptr<Communicator> Connect(Device& device,
                                        const CommunicatorOptions& options) override {
    limit_ = options.limit;
    return OrderedCommunicator::Connect(endpoint_, rank(), size(), device, options);
  }

  // From the calling thread: the worker may be waiting for the very ranks that are to be ended.
  void Abort(int exit_code) noexcept override { MPI_Abort(MPI_COMM_WORLD, exit_code); }

 private:
  // All ranks meet, within the limit, before they enter MPI_Finalize, which has none.
  void Finalise() {
    Membership world{.name = "world", .context = 0, .world_ranks = {}, .rank = rank()};
    for (int i = 0; i < size(); ++i) world.world_ranks.push_back(i);
    const CallInfo info{
        .group = world.name, .op = CollectiveOp::kBarrier, .sequence = -1, .site = "the end"};
    const CollectiveCall barrier{.op = CollectiveOp::kBarrier};
    endpoint_.exchange.BeginCall(world, info, limit_);
    RunOrdered({&barrier, 1}, world, info, {}, endpoint_.exchange);
    CADMUS_MPI_CHECK(MPI_Finalize());
  }

  int exceptions_at_start_;
  std::chrono::milliseconds limit_ = CommunicatorOptions().limit;
  MpiTransport transport_;
  std::unique_ptr<CommunicationWorker> worker_;
  Endpoint endpoint_;
};

}  // namespace

std::unique_ptr<Bootstrap> StartMpi() {
  auto worker = std::make_unique<CommunicationWorker>(RankLabel());
  Place place;
  worker->Run([&] {
    place = InitialiseMpi();
    SetRankLabel(StrCat("rank ", place.rank));
  });
  return std::make_unique<MpiBootstrap>(std::move(worker), place);
}

}  // namespace cadmus
