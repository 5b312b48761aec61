// SPDX-License-Identifier: Apache-2.0
// TamperedCommunicator: a group that lets a function see, change, double or swallow each of its
// calls before the group behind it runs them, as do the groups made of it.
#pragma once

#include <functional>
#include <memory>

#include "collectives/communicator/communicator.h"

namespace cadmus {

// One call on its way: `forward` runs it on the group behind. To be called once, several times, or
// not at all.
struct TamperedCall {
  const CollectiveCall& call;
  const std::string& group;  // "dp_shard"
  int group_rank = 0;
  int group_size = 1;
  Stream& stream;
  std::function<void()> forward;
};
using Tamper = std::function<void(const TamperedCall&)>;

class TamperedCommunicator final : public Communicator {
 public:
  TamperedCommunicator(std::unique_ptr<Communicator> inner, Tamper tamper);

  using Communicator::MakeGroup;
  std::unique_ptr<Communicator> MakeGroup(std::span<const int> members, std::string name,
                                          const CommunicatorOptions& options) override;
  void Revoke(const std::string& reason) override { inner_->Revoke(reason); }
  std::unique_ptr<Communicator> Rebuild(int64_t epoch, std::span<const int> members) override {
    return inner_->Rebuild(epoch, members);
  }

 protected:
  void Issue(std::span<const CollectiveCall> calls, Stream& stream) override;

 private:
  void Forward(const CollectiveCall& call, Stream& stream);

  std::unique_ptr<Communicator> inner_;
  Tamper tamper_;
};

}  // namespace cadmus
