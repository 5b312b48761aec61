// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/planted_bugs.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "kernels/cpu/stream.h"
#include "launch/config/run_config.pb.h"
#include "tests/launch/run/layouts/tampered_communicator.h"

namespace cadmus {
namespace {

// ---- Two ways to plant a bug.

// Calls are tampered with. `make` gives each rank of the world its function, which may keep state.
class CallBug final : public PlantedBug {
 public:
  explicit CallBug(std::function<Tamper(int rank)> make) : make_(std::move(make)) {}

  std::unique_ptr<Communicator> Wrap(std::unique_ptr<Communicator> world) override {
    const int rank = world->rank();
    return std::make_unique<TamperedCommunicator>(std::move(world), make_(rank));
  }

 private:
  std::function<Tamper(int rank)> make_;
};

// A rank reads another batch than the others.
class BatchBug final : public PlantedBug {
 public:
  BatchBug(int rank, std::function<void(StepBatch&)> alter)
      : rank_(rank), alter_(std::move(alter)) {}

  void BeforeStep(StepBatch& batch, TrainingJob&, int rank) override {
    if (rank == rank_) alter_(batch);
  }

 private:
  int rank_;
  std::function<void(StepBatch&)> alter_;
};

// ---- Which call.

struct CallPattern {
  CollectiveOp op;
  std::string_view group;  // "": any
  std::string_view site;   // part of it

  bool Matches(const TamperedCall& tampered) const {
    return tampered.call.op == op && (group.empty() || tampered.group == group) &&
           tampered.group_size > 1 &&
           std::string_view(tampered.call.site).find(site) != std::string_view::npos;
  }
};

std::unique_ptr<PlantedBug> Swallow(const CallPattern& pattern) {
  return std::make_unique<CallBug>([pattern](int) {
    return [pattern](const TamperedCall& call) {
      if (!pattern.Matches(call)) call.forward();
    };
  });
}

// What `rank` of the world gives to the matching calls is multiplied by 2.
std::unique_ptr<PlantedBug> Double(const CallPattern& pattern, int rank) {
  return std::make_unique<CallBug>([pattern, rank](int world_rank) {
    return [pattern, is_culprit = world_rank == rank](const TamperedCall& tampered) {
      if (is_culprit && pattern.Matches(tampered)) {
        const CollectiveCall& call = tampered.call;
        auto* values = static_cast<double*>(const_cast<void*>(call.input));
        const int64_t count =
            call.op == CollectiveOp::kReduceScatter ? call.count * tampered.group_size : call.count;
        cpu::Run(tampered.stream, [values, count] {
          for (int64_t i = 0; i < count; ++i) values[i] *= 2;
        });
      }
      tampered.forward();
    };
  });
}

// `rank` gets from every matching call what its first one brought.
std::unique_ptr<PlantedBug> Stale(const CallPattern& pattern, int rank) {
  return std::make_unique<CallBug>([pattern, rank](int world_rank) {
    auto first = std::make_shared<std::vector<double>>();
    return [pattern, first, is_culprit = world_rank == rank](const TamperedCall& tampered) {
      tampered.forward();
      if (!is_culprit || !pattern.Matches(tampered)) return;
      const CollectiveCall& call = tampered.call;
      const int64_t count =
          call.op == CollectiveOp::kAllGather ? call.count * tampered.group_size : call.count;
      auto* values = static_cast<double*>(call.output);
      const bool is_first = first->empty();
      first->resize(static_cast<size_t>(count));
      cpu::Run(tampered.stream, [kept = first->data(), values, count, is_first] {
        if (is_first) {
          std::copy_n(values, count, kept);
        } else {
          std::copy_n(kept, count, values);
        }
      });
    };
  });
}

// `rank` has the first two parts of what it gathers change places.
std::unique_ptr<PlantedBug> SwapParts(const CallPattern& pattern, int rank) {
  return std::make_unique<CallBug>([pattern, rank](int world_rank) {
    return [pattern, is_culprit = world_rank == rank](const TamperedCall& tampered) {
      tampered.forward();
      if (!is_culprit || !pattern.Matches(tampered)) return;
      auto* values = static_cast<double*>(tampered.call.output);
      cpu::Run(tampered.stream, [values, count = tampered.call.count] {
        std::swap_ranges(values, values + count, values + count);
      });
    };
  });
}

// From the second step on, a rank gives each bucket but the first as it was when the bucket before
// was given: the last micro-batch is missing. The compute stream runs inline, so what this thread
// reads is what was computed so far.
class EarlyBuckets final : public PlantedBug {
 public:
  EarlyBuckets(const CallPattern& pattern, int rank) : pattern_(pattern), rank_(rank) {}

  std::unique_ptr<Communicator> Wrap(std::unique_ptr<Communicator> world) override {
    if (world->rank() != rank_) return world;
    return std::make_unique<TamperedCommunicator>(std::move(world),
                                                  [this](const TamperedCall& tampered) {
                                                    if (pattern_.Matches(tampered)) Alter(tampered);
                                                    tampered.forward();
                                                  });
  }
  void BeforeStep(StepBatch&, TrainingJob&, int rank) override {
    if (rank != rank_) return;
    ++step_;
    next_ = 0;
  }

 private:
  struct Bucket {
    double* values;
    int64_t count;
    std::vector<double> early;
  };

  void Alter(const TamperedCall& tampered) {
    if (step_ == 1) {
      buckets_.push_back({static_cast<double*>(tampered.call.output), tampered.call.count, {}});
      return;
    }
    Bucket& bucket = buckets_.at(next_++);
    if (!bucket.early.empty()) {
      cpu::Run(tampered.stream, [&bucket] { std::ranges::copy(bucket.early, bucket.values); });
    }
    if (next_ == buckets_.size()) return;
    Bucket& following = buckets_[next_];
    following.early.assign(following.values, following.values + following.count);
  }

  CallPattern pattern_;
  int rank_;
  int step_ = 0;
  size_t next_ = 0;
  std::vector<Bucket> buckets_;  // in the order of a step
};

class OtherFirstWeights final : public PlantedBug {
 public:
  void AfterConstruction(TrainingJob& job, int rank) override {
    if (rank != 1) return;
    auto* values = job.data_parallel().shards().back().weight_N.data<double>();
    values[0] += 1e-3;
  }
};

void AddBatchBugs(std::vector<PlantedBugCase>& bugs) {
  bugs.push_back({"a wrong position offset", NamedLayout("pp=2"),
                  std::make_unique<BatchBug>(1,
                                             [](StepBatch& batch) {
                                               for (MicroBatch& micro_batch : batch.micro_batches) {
                                                 auto& positions = micro_batch.positions_BS;
                                                 constexpr int32_t kLength = 24;  // of a sample
                                                 for (size_t i = positions.size() / 2;
                                                      i < positions.size(); ++i)
                                                   positions[i] = (positions[i] + 1) % kLength;
                                               }
                                             }),
                  "gradient of embedding.weight"});
  bugs.push_back({"a dropped micro-batch", NamedLayout("dp_replicate=2"),
                  std::make_unique<BatchBug>(1,
                                             [](StepBatch& batch) {
                                               auto& labels = batch.micro_batches[1].labels_BS;
                                               std::fill(labels.begin(), labels.end(), -1);
                                             }),
                  "gradient of embedding.weight"});
  bugs.push_back({"the loss scaled by the rank's own tokens", NamedLayout("dp_replicate=2"),
                  std::make_unique<BatchBug>(1,
                                             [](StepBatch& batch) {
                                               batch.supervised_tokens = 0;
                                               for (const MicroBatch& m : batch.micro_batches) {
                                                 batch.supervised_tokens += std::count_if(
                                                     m.labels_BS.begin(), m.labels_BS.end(),
                                                     [](int32_t label) { return label >= 0; });
                                               }
                                             }),
                  "gradient of embedding.weight"});
  bugs.push_back({"dropout keyed by the rank's own rows", NamedLayout("tp=2"),
                  std::make_unique<BatchBug>(1,
                                             [](StepBatch& batch) {
                                               for (MicroBatch& m : batch.micro_batches)
                                                 for (int64_t& sample : m.samples_B) ++sample;
                                             }),
                  "gradient of embedding.weight"});
  bugs.push_back({"a wrong vocabulary offset", NamedLayout("tp=2"),
                  std::make_unique<BatchBug>(1,
                                             [](StepBatch& batch) {
                                               for (MicroBatch& m : batch.micro_batches) {
                                                 for (int32_t& token : m.tokens_BS)
                                                   token = std::min(token + 1, 130);
                                               }
                                             }),
                  "gradient of embedding.weight"});
}

}  // namespace

std::vector<PlantedBugCase> PlantedBugs() {
  using enum CollectiveOp;
  std::vector<PlantedBugCase> bugs;
  AddBatchBugs(bugs);
  bugs.push_back({"one rank scales a gradient by 2", NamedLayout("dp_shard=2"),
                  Double({kReduceScatter, "dp_shard", "gradient of blocks.3.mlp.down.weight"}, 1),
                  "gradient of blocks.3.mlp.down.weight"});
  bugs.push_back({"a norm counted twice", NamedLayout("dp_shard=2"),
                  Double({kAllReduce, "", "squared gradient norms"}, 0), "gradient norm"});
  bugs.push_back({"a loss counted twice", NamedLayout("tp=2"),
                  Double({kAllReduce, "", "loss and stop requests"}, 0), "loss"});
  bugs.push_back({"a missing tie-reduce", NamedLayout("pp=2 model.llama.tie_word_embeddings=true"),
                  Swallow({kAllReduce, "holders of the tied table", ""}),
                  "gradient of embedding.weight"});
  bugs.push_back({"a stale parameter after fetch", NamedLayout("dp_shard=2 zero=3"),
                  Stale({kAllGather, "dp_shard", "weights of blocks.2.mlp.down.weight"}, 1),
                  "gradient of embedding.weight"});
  bugs.push_back(
      {"a bucket reduced before its last gradient", NamedLayout("dp_replicate=2"),
       std::make_unique<EarlyBuckets>(CallPattern{kAllReduce, "dp_replicate", "gradients of"}, 1),
       "gradient of embedding.weight"});
  bugs.push_back({"partial norm gradients not summed", NamedLayout("tp=2"),
                  Swallow({kAllReduce, "tp", "gradient of blocks.1.mlp_norm.weight"}),
                  "gradient of blocks.1.mlp_norm.weight"});
  bugs.push_back({"partial rows of shared key/value heads not summed",
                  NamedLayout("tp=4 model.llama.num_key_value_heads=2"),
                  Swallow({kAllReduce, "tp key/value replicas", "gradient of blocks.0"}),
                  "gradient of blocks.0.attention.qkv.weight"});
  bugs.push_back({"partial gradients of the query heads' norm not summed",
                  NamedLayout("tp=2 sequence_parallel=false", Family::kQwen),
                  Swallow({kAllReduce, "tp", "gradient of blocks.1.attention.q_norm.weight"}),
                  "gradient of blocks.1.attention.q_norm.weight"});
  bugs.push_back({"partial gradients of a LayerNorm's bias not summed",
                  NamedLayout("tp=2", Family::kGpt2),
                  Swallow({kAllReduce, "tp", "gradient of blocks.2.mlp_norm.bias"}),
                  "gradient of blocks.2.mlp_norm.bias"});
  bugs.push_back({"partial gradients of learned positions not summed",
                  NamedLayout("tp=2", Family::kGpt2),
                  Swallow({kAllReduce, "tp", "gradient of positions.weight"}),
                  "gradient of positions.weight"});
  bugs.push_back({"a stale activation", NamedLayout("pp=2"), Stale({kReceive, "pp", ""}, 1),
                  "gradient of embedding.weight"});
  bugs.push_back({"parts gathered in the wrong order", NamedLayout("tp=2"),
                  SwapParts({kAllGather, "tp", "gather tokens"}, 1),
                  "gradient of embedding.weight"});
  bugs.push_back({"updated weights not gathered", NamedLayout("dp_shard=2"),
                  Swallow({kAllGather, "dp_shard", "weights of head.weight"}), "head.weight"});
  bugs.push_back({"a copy that starts from other weights", NamedLayout("dp_replicate=2"),
                  std::make_unique<OtherFirstWeights>(), "head.weight"});
  return bugs;
}

}  // namespace cadmus
