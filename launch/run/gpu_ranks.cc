// SPDX-License-Identifier: Apache-2.0
#include "launch/run/gpu_ranks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>

#include "collectives/communicator/meeting_options.h"
#include "collectives/nccl/nccl_bootstrap.h"
#include "kernels/base/error.h"
#include "kernels/open_device.h"
#include "launch/config/run_config.pb.h"

namespace cadmus {
namespace {

constexpr int kFirstSharingNccl = 23000;

// As it travels.
struct GpuRankRecord {
  std::array<char, 56> gpu;
  int32_t nccl_version;
  int32_t nccl_shares_gpu;
  // Of the config, on which all must agree before they part.
  int32_t transport;
  int32_t share_gpu;
};

void RequireOneConfig(std::span<const GpuRankRecord> records) {
  for (size_t rank = 1; rank < records.size(); ++rank) {
    if (records[rank].transport == records[0].transport &&
        records[rank].share_gpu == records[0].share_gpu) {
      continue;
    }
    throw Error(Kind::kConfig,
                StrCat("ranks 0 and ", rank,
                       " have different communication.transport or device.share_gpu: give every "
                       "rank the same config"));
  }
}

struct Pair {
  size_t first = 0, second = 0;
};

std::string Named(const Pair& pair) { return StrCat("ranks ", pair.first, " and ", pair.second); }

std::optional<Pair> SharersOfAGpu(std::span<const GpuRank> ranks) {
  std::map<std::string_view, size_t> first_rank;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    const auto [entry, is_new] = first_rank.emplace(ranks[rank].gpu, rank);
    if (!is_new) return Pair{entry->second, rank};
  }
  return std::nullopt;
}

// Why NCCL cannot connect these ranks, with the remedy; empty if it can.
std::string NcclProblem(std::span<const GpuRank> ranks, const std::optional<Pair>& sharers,
                        const std::string& nccl_problem) {
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    if (ranks[rank].nccl_version != 0) continue;
    return nccl_problem.empty() ? StrCat("rank ", rank, " finds no NCCL; its log says why")
                                : nccl_problem;
  }
  const bool may_share = std::all_of(ranks.begin(), ranks.end(),
                                     [](const GpuRank& rank) { return rank.nccl_shares_gpu; });
  if (!sharers || may_share) return "";
  return StrCat(Named(*sharers),
                " share a GPU, which takes NCCL 2.30 or newer and NCCL_MULTI_RANK_GPU_ENABLE=1 in "
                "the environment of every rank");
}

void RequireOneVersion(std::span<const GpuRank> ranks) {
  for (size_t rank = 1; rank < ranks.size(); ++rank) {
    const int first = ranks[0].nccl_version, other = ranks[rank].nccl_version;
    if (first == other || first == 0 || other == 0) continue;
    throw Error(Kind::kConfig,
                StrCat("rank 0 finds ", NcclVersionInWords(first), " and rank ", rank, " ",
                       NcclVersionInWords(other),
                       ": install one version, or set communication.transport = MPI"));
  }
}

}  // namespace

int ChooseGpu(const HostPlace& place, int num_visible) {
  if (place.local_size <= num_visible) return place.local_rank;
  return static_cast<int>(int64_t{place.local_rank} * num_visible / place.local_size);
}

bool NcclSharesGpus(int nccl_version, const std::string& enabled) {
  return nccl_version >= kFirstSharingNccl && enabled == "1";
}

std::vector<GpuRank> ExchangeGpuRanks(const GpuRank& mine, const RunConfig& config,
                                      Bootstrap& rank) {
  const auto size = static_cast<int64_t>(rank.size());
  constexpr auto kRecordBytes = static_cast<int64_t>(sizeof(GpuRankRecord));
  const CommunicatorOptions options = MeetingOptions(
      MakeCommunicatorOptions(config, TransportKind::kInRankOrder, rank.size()), rank.size());
  const auto device = OpenDevice(
      {.kind = DeviceKind::kCpu,
       .memory_bytes = options.workspace_bytes + (size + 1) * kRecordBytes + (int64_t{1} << 20),
       .pool = MakeThreadPool(1)});
  device->set_wait_limit(options.limit + options.limit / 2);
  const auto world = rank.Connect(*device, options);
  const auto stream = device->NewStream(StreamKind::kCompute, "GPUs of the ranks");

  GpuRankRecord record = {};
  std::copy_n(mine.gpu.data(), std::min(mine.gpu.size(), record.gpu.size() - 1), record.gpu.data());
  record.nccl_version = mine.nccl_version;
  record.nccl_shares_gpu = mine.nccl_shares_gpu ? 1 : 0;
  record.transport = config.communication().transport();
  record.share_gpu = config.device().share_gpu() ? 1 : 0;
  const Tensor own(DType::kU8, {kRecordBytes}, MemoryCategory::kCommunication, *stream);
  const Tensor all(DType::kU8, {size * kRecordBytes}, MemoryCategory::kCommunication, *stream);
  device->CopyToDevice(own, ConstTensorView(&record, DType::kU8, {kRecordBytes}), *stream);
  world->AllGather({.input = own, .output = all, .site = "GPUs of the ranks"}, *stream);
  std::vector<GpuRankRecord> records(static_cast<size_t>(size));
  device->CopyToHost(TensorView(records.data(), DType::kU8, {size * kRecordBytes}), all, *stream);
  stream->Synchronize(device->wait_limit());
  RequireOneConfig(records);

  std::vector<GpuRank> ranks;
  for (const GpuRankRecord& from : records) {
    ranks.push_back({.gpu = from.gpu.data(),
                     .nccl_version = from.nccl_version,
                     .nccl_shares_gpu = from.nccl_shares_gpu != 0});
  }
  return ranks;
}

ChosenTransport ChooseTransport(const RunConfig& config, std::span<const GpuRank> ranks,
                                const std::string& nccl_problem) {
  const std::optional<Pair> sharers = SharersOfAGpu(ranks);
  if (sharers && !config.device().share_gpu()) {
    throw Error(Kind::kConfig,
                StrCat(Named(*sharers), " would both take ", ranks[sharers->first].gpu,
                       ": start no more ranks on a host than it has GPUs, or set "
                       "device.share_gpu = true, where each has its own slab and they take turns"));
  }
  constexpr char kStaged[] = "MPI, staged in host memory";
  if (config.communication().transport() == CommunicationConfig::MPI) return {.words = kStaged};
  RequireOneVersion(ranks);
  const std::string problem = NcclProblem(ranks, sharers, nccl_problem);
  if (problem.empty()) {
    return {.transport = TransportKind::kNccl, .words = NcclVersionInWords(ranks[0].nccl_version)};
  }
  if (config.communication().transport() == CommunicationConfig::NCCL) {
    throw Error(Kind::kConfig, StrCat("communication.transport = NCCL, but ", problem));
  }
  return {.words = StrCat(kStaged, ": ", problem)};
}

}  // namespace cadmus
