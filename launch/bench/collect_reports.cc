// SPDX-License-Identifier: Apache-2.0
#include "launch/bench/collect_reports.h"

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/base/error.h"
#include "kernels/device/device.h"
#include "launch/bench/cpu_list.h"

namespace cadmus {
namespace {

using Json = nlohmann::json;

constexpr int kTimes = 2;  // nanoseconds since 1970, and the length of the text that follows

std::string ToText(const RankReport& report) {
  Json traits = Json::array();
  for (const RankReport::Trait& trait : report.traits) {
    traits.push_back({trait.name, trait.value, static_cast<int>(trait.if_different)});
  }
  Json problems = Json::array();
  for (const Finding& problem : report.problems) {
    problems.push_back(
        {problem.name, static_cast<int>(problem.verdict), problem.value, problem.remedy});
  }
  const Json json = {{"rank", report.rank},
                     {"host", report.host},
                     {"gpu", report.gpu},
                     {"traits", std::move(traits)},
                     {"usable_cores", CpuListText(report.usable_cores)},
                     {"allowed_cores", CpuListText(report.allowed_cores)},
                     {"problems", std::move(problems)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

RankReport FromText(const std::string& text) {
  const Json json = Json::parse(text);
  RankReport report = {.rank = json.at("rank"),
                       .host = json.at("host"),
                       .usable_cores = ParseCpuList(json.at("usable_cores").get<std::string>()),
                       .allowed_cores = ParseCpuList(json.at("allowed_cores").get<std::string>()),
                       .gpu = json.at("gpu")};
  for (const Json& trait : json.at("traits")) {
    report.traits.push_back(
        {trait.at(0), trait.at(1), static_cast<Verdict>(trait.at(2).get<int>())});
  }
  for (const Json& problem : json.at("problems")) {
    report.problems.push_back({.name = problem.at(0),
                               .verdict = static_cast<Verdict>(problem.at(1).get<int>()),
                               .value = problem.at(2),
                               .remedy = problem.at(3)});
  }
  return report;
}

int64_t Nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Host bytes to and from a peer, through device memory; each call blocks.
class Mail {
 public:
  Mail(Communicator& world, Stream& stream) : world_(world), stream_(stream) {}

  void Send(int peer, DType dtype, const void* data, int64_t count) {
    const Tensor tensor(dtype, {count}, MemoryCategory::kCommunication, stream_);
    device().CopyToDevice(tensor, ConstTensorView(data, dtype, {count}), stream_);
    world_.Send({.buffer = tensor, .peer = peer, .site = "facts of the ranks"}, stream_);
    stream_.Synchronize(device().wait_limit());
  }
  void Receive(int peer, DType dtype, void* data, int64_t count) {
    const Tensor tensor(dtype, {count}, MemoryCategory::kCommunication, stream_);
    world_.Receive({.buffer = tensor, .peer = peer, .site = "facts of the ranks"}, stream_);
    device().CopyToHost(TensorView(data, dtype, {count}), tensor, stream_);
    stream_.Synchronize(device().wait_limit());
  }

 private:
  Device& device() { return stream_.device(); }

  Communicator& world_;
  Stream& stream_;
};

void Answer(const RankReport& own, Mail& mail) {
  int64_t question = 0;
  mail.Receive(0, DType::kI64, &question, 1);
  const std::string text = ToText(own);
  const std::array<int64_t, kTimes> head = {Nanoseconds(), static_cast<int64_t>(text.size())};
  mail.Send(0, DType::kI64, head.data(), kTimes);
  mail.Send(0, DType::kU8, text.data(), static_cast<int64_t>(text.size()));
}

RankReport Ask(int rank, Mail& mail) {
  const int64_t question = rank;
  std::array<int64_t, kTimes> head = {};
  const int64_t before = Nanoseconds();
  mail.Send(rank, DType::kI64, &question, 1);
  mail.Receive(rank, DType::kI64, head.data(), kTimes);
  const int64_t after = Nanoseconds();
  std::string text(static_cast<size_t>(head[1]), '\0');
  mail.Receive(rank, DType::kU8, text.data(), head[1]);
  RankReport report = FromText(text);
  report.clock_offset_seconds = static_cast<double>(head[0] - before - (after - before) / 2) * 1e-9;
  report.clock_error_seconds = static_cast<double>(after - before) / 2 * 1e-9;
  return report;
}

}  // namespace

std::vector<RankReport> CollectReports(const RankReport& own, Communicator& world, Stream& stream) {
  Mail mail(world, stream);
  if (world.rank() != 0) {
    Answer(own, mail);
    return {};
  }
  std::vector<RankReport> reports = {own};
  for (int rank = 1; rank < world.size(); ++rank) reports.push_back(Ask(rank, mail));
  return reports;
}

int64_t NumberOfRankZero(int64_t number, Communicator& world, Stream& stream) {
  const Tensor shared(DType::kI64, {1}, MemoryCategory::kCommunication, stream);
  Device& device = stream.device();
  device.CopyToDevice(shared, ConstTensorView(&number, DType::kI64, {1}), stream);
  world.Broadcast({.buffer = shared, .site = "the verdict"}, stream);
  device.CopyToHost(TensorView(&number, DType::kI64, {1}), shared, stream);
  stream.Synchronize(device.wait_limit());
  return number;
}

}  // namespace cadmus
