// SPDX-License-Identifier: Apache-2.0
#include "collectives/ordered/exchange.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// This rank's wire to itself. Messages of a tag match in order, as all transports promise, and what
// is complete is reported in the reverse order, as they may.
class ReversingTransport final : public Transport {
 public:
  void Reserve(int) override {}
  void Send(const Envelope& envelope, const void* data) override {
    const auto* begin = static_cast<const char*>(data);
    wires_[envelope.tag].sent.emplace_back(begin, begin + envelope.bytes);
    reports_.push_back(envelope.message);
  }
  void Receive(const Envelope& envelope, void* data) override {
    wires_[envelope.tag].posted.push_back({data, envelope.bytes, envelope.message});
  }
  void Progress(Clock::time_point, std::vector<int>& done) override {
    for (auto& [tag, wire] : wires_) {
      while (!wire.sent.empty() && !wire.posted.empty()) {
        const Posted& posted = wire.posted.front();
        ASSERT_EQ(static_cast<int64_t>(wire.sent.front().size()), posted.bytes);
        std::memcpy(posted.data, wire.sent.front().data(), wire.sent.front().size());
        reports_.push_back(posted.message);
        wire.sent.pop_front();
        wire.posted.pop_front();
      }
    }
    std::copy(reports_.rbegin(), reports_.rend(), std::back_inserter(done));
    reports_.clear();
  }
  void Wake() noexcept override {}
  void Cancel(int, int) noexcept override {}
  int64_t max_tag() const override { return 1000; }
  void Revoke(int64_t, std::span<const int>, const std::string&) override {}
  std::optional<std::string> RevokedBecause(int64_t) const override { return std::nullopt; }
  void RequireRevoke() const override {}

 private:
  struct Posted {
    void* data;
    int64_t bytes;
    int message;
  };
  struct Wire {
    std::deque<std::vector<char>> sent;
    std::deque<Posted> posted;
  };
  std::map<int64_t, Wire> wires_;
  std::vector<int> reports_;
};

TEST(Exchange, AnnouncedMessagesOfOnePeerStayInOrderWhateverOrderTheyAreReportedIn) {
  ReversingTransport transport;
  CommunicationWorker worker("rank 0");
  SendsInFlight sends(transport, worker);
  Exchange exchange(transport, sends);
  const Membership group{.name = "alone", .context = 3, .world_ranks = {0}, .rank = 0};
  const CallInfo info{.op = CollectiveOp::kSend, .sequence = -1, .bytes = 4, .dtype = DType::kI32};
  const CallHeader header = MakeHeader(info);
  for (int call = 0; call < 2; ++call) {
    const std::vector<int32_t> sent = {10 + call, 20 + call, 30 + call};
    std::vector<int32_t> received(3);
    exchange.BeginCall(group, info, std::chrono::seconds(60));
    for (const int32_t& value : sent) exchange.Send(0, &value, sizeof(value), &header);
    for (int32_t& value : received) exchange.Receive(0, &value, sizeof(value), &header);
    exchange.RunRound();
    EXPECT_EQ(received, sent);
  }
}

}  // namespace
}  // namespace cadmus
