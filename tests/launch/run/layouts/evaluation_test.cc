// SPDX-License-Identifier: Apache-2.0
// Evaluation: the mean that is worked out from logits by hand, the same in every layout; training
// beside it has the bits that it has without; the plan knows its memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "collectives/local/local_world.h"
#include "collectives/sim/sim_communicator.h"
#include "kernels/device/trace.h"
#include "kernels/sim/hazard_check.h"
#include "launch/config/run_config.pb.h"
#include "launch/plan/record_rank.h"
#include "models/families.h"
#include "runtime/nn/parameter_store.h"
#include "tests/launch/run/layouts/cases.h"
#include "tests/launch/run/layouts/train_layout.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

constexpr double kBound = 1e-10;  // P1, f64

// Between them: every axis, schedule and zero stage, and what wraps modules.
const std::vector<std::string> kLayouts = {
    "dp_replicate=3 train.micro_batch_size=2",
    "dp_shard=2 zero=1 tp=2 sequence_parallel=true token_parts=2",
    "dp_shard=3 zero=3 prefetch=2 model.llama.tie_word_embeddings=true",
    "tp=4 train.recompute=SELECTIVE",
    "pp=2 schedule=GPIPE zero=2 dp_shard=2",
    "pp=3 schedule=ONE_F_ONE_B model.llama.tie_word_embeddings=true",
    "pp=2 schedule=INTERLEAVED chunks=3 train.recompute=FULL train.offload_activations=true",
    "pp=4 schedule=ZB_H1",
    "pp=2 schedule=ZBV zero=3 dp_shard=2 prefetch=1",
    "pp=2 schedule=DUAL_PIPE_V tp=2 dp_replicate=2 sequence_parallel=true",
};

LayoutCase Evaluated(const std::string& overrides) {
  LayoutCase layout = NamedLayout(overrides);
  RunConfig config = *layout.config;
  config.mutable_train()->set_eval_interval_steps(1);
  config.mutable_data()->set_validation_path("unused");
  layout.config = std::make_shared<const RunConfig>(config);
  return layout;
}

class Evaluation : public testing::Test {
 protected:
  Evaluation() : data_(UnevenDocuments(folder_.path(), 131)) {}

  DataPart HeldOut() const {
    return {.data = data_, .first_token = data_->num_tokens() - 500, .num_tokens = 500};
  }
  EvaluationMetrics Evaluate(TrainingJob& job, int64_t max_windows = 0) const {
    const LoaderOptions& options = job.loader_options();
    const ValidationWindows windows({HeldOut()}, {.sequence_length = options.sequence_length,
                                                  .vocab_size = options.vocab_size,
                                                  .max_windows = max_windows});
    std::vector<int32_t> bytes(static_cast<size_t>(options.vocab_size));
    std::iota(bytes.begin(), bytes.end(), 1);
    return job.evaluator()->Run(windows, bytes);
  }
  // At first, and after two steps; the same on all ranks.
  std::vector<EvaluationMetrics> EvaluateLayout(const LayoutCase& layout) const {
    std::vector<std::vector<EvaluationMetrics>> ranks(static_cast<size_t>(layout.world_size));
    RunLayoutRanks(layout.world_size, {}, [&](Device& device, Communicator& world) {
      TrainingJob job(*layout.config, device, world);
      std::vector<EvaluationMetrics>& metrics = ranks[static_cast<size_t>(world.rank())];
      metrics.push_back(Evaluate(job));
      RunSteps(job, data_, {.first = 0, .count = 2});
      metrics.push_back(Evaluate(job));
    });
    for (const std::vector<EvaluationMetrics>& rank : ranks) {
      for (size_t i = 0; i < rank.size(); ++i) {
        EXPECT_EQ(rank[i].loss.value, ranks.front()[i].loss.value);
        EXPECT_EQ(rank[i].tokens, ranks.front()[i].tokens);
      }
    }
    return ranks.front();
  }

  TemporaryFolder folder_;
  std::shared_ptr<const IndexedDataset> data_;
};

void ExpectNear(const Estimate& a, const Estimate& b, const std::string& what) {
  EXPECT_NEAR(a.value, b.value, kBound * b.value) << what;
  EXPECT_NEAR(a.standard_error.value(), b.standard_error.value(), kBound * b.value) << what;
}

TEST_F(Evaluation, IsTheSameInEveryLayout) {
  std::map<std::string, std::vector<EvaluationMetrics>> one_rank;  // by model and batch
  for (const std::string& overrides : kLayouts) {
    const LayoutCase layout = Evaluated(overrides);
    const LayoutCase alone = {.config =
                                  std::make_shared<const RunConfig>(OneRankConfig(*layout.config))};
    auto& expected = one_rank[alone.config->SerializeAsString()];
    if (expected.empty()) expected = EvaluateLayout(alone);
    const std::vector<EvaluationMetrics> metrics = EvaluateLayout(layout);
    ASSERT_NE(expected[0].loss.value, expected[1].loss.value);
    for (size_t i = 0; i < metrics.size(); ++i) {
      EXPECT_EQ(metrics[i].tokens, expected[i].tokens) << overrides;
      EXPECT_EQ(metrics[i].bytes, expected[i].bytes) << overrides;
      EXPECT_EQ(metrics[i].documents, expected[i].documents) << overrides;
      ExpectNear(metrics[i].loss, expected[i].loss, overrides);
      ExpectNear(metrics[i].perplexity, expected[i].perplexity, overrides);
      ExpectNear(*metrics[i].bits_per_byte, *expected[i].bits_per_byte, overrides);
    }
  }
}

TEST_F(Evaluation, LeavesTrainingAsItIs) {
  for (const std::string overrides :
       {"", "pp=2 schedule=ZBV zero=3 dp_shard=2 prefetch=1 train.offload_activations=true",
        "dp_shard=2 tp=2 sequence_parallel=true train.recompute=FULL"}) {
    const LayoutCase layout = Evaluated(overrides);
    RunConfig without = *layout.config;
    without.mutable_train()->set_eval_interval_steps(0);
    constexpr int kSteps = 4;
    const auto world_size = static_cast<size_t>(layout.world_size);
    std::vector<std::vector<RankStep>> plain(world_size), evaluated(world_size);
    RunLayoutRanks(layout.world_size, {}, [&](Device& device, Communicator& world) {
      TrainingJob job(without, device, world);
      plain[static_cast<size_t>(world.rank())] = RunSteps(job, data_, {.count = kSteps});
    });
    // Every step checks that it uses the addresses of the step before.
    RunLayoutRanks(layout.world_size, {}, [&](Device& device, Communicator& world) {
      TrainingJob job(*layout.config, device, world);
      for (int step = 0; step < kSteps; ++step) {
        if (step != 1) Evaluate(job);
        auto states = RunSteps(job, data_, {.first = step, .count = 1});
        evaluated[static_cast<size_t>(world.rank())].push_back(std::move(states.front()));
      }
    });
    for (size_t rank = 0; rank < world_size; ++rank) {
      for (size_t step = 0; step < kSteps; ++step) {
        const RankStep& a = plain[rank][step];
        const RankStep& b = evaluated[rank][step];
        EXPECT_EQ(a.result.loss, b.result.loss) << overrides << ", step " << step;
        EXPECT_EQ(a.result.gradient_norm, b.result.gradient_norm) << overrides << ", step " << step;
        ASSERT_EQ(a.state.size(), b.state.size());
        for (size_t i = 0; i < a.state.size(); ++i)
          EXPECT_EQ(a.state[i].values, b.state[i].values) << overrides << ": " << a.state[i].name;
      }
    }
  }
}

// Logits of inference, a token at a time, over what comes before it in its window and document.
class ByHand {
 public:
  ByHand(const RunConfig& config, Device& device)
      : stream_(device.NewStream(StreamKind::kCompute, "compute")),
        shape_(MakeShape(config.model())),
        model_(shape_, Precision::All(DType::kF64), *stream_),
        store_(model_.stage().Parameters(), Precision::All(DType::kF64), *stream_),
        saves_(model_.stage().NewSaves()) {
    store_.Initialize(config.train().seed(), *stream_);
  }

  double LossOf(const std::vector<int32_t>& before, int32_t label) {
    std::vector<int32_t> positions(before.size());
    std::iota(positions.begin(), positions.end(), 0);
    const Tensor tokens_BS = Upload(before), positions_BS = Upload(positions);
    const Tensor logits_BV(DType::kF64, {1, shape_.vocab_size}, MemoryCategory::kWorkspace,
                           *stream_);
    ForwardContext context = {.stream = *stream_,
                              .mode = Mode::kInference,
                              .inputs = {.tokens_BS = tokens_BS, .positions_BS = positions_BS},
                              .logits_BV = logits_BV};
    model_.stage().Forward(context, saves_, Tensor());
    const std::vector<double> logits = ReadTensor(logits_BV, *stream_);
    const double most = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (double logit : logits) sum += std::exp(logit - most);
    return most + std::log(sum) - logits[static_cast<size_t>(label)];
  }

 private:
  Tensor Upload(const std::vector<int32_t>& values) {
    const Shape shape = {1, static_cast<int64_t>(values.size())};
    Tensor tensor(DType::kI32, shape, MemoryCategory::kWorkspace, *stream_);
    stream_->device().CopyToDevice(tensor, ConstTensorView(values.data(), DType::kI32, shape),
                                   *stream_);
    stream_->Synchronize(stream_->device().wait_limit());
    return tensor;
  }

  std::unique_ptr<Stream> stream_;
  DecoderShape shape_;
  DecoderModel model_;
  ParameterStore store_;
  Stage::Saves saves_;
};

TEST_F(Evaluation, IsTheMeanThatIsWorkedOutFromLogits) {
  const RunConfig config = *Evaluated("").config;
  const int64_t length = config.data().sequence_length();
  const auto device = OpenTestDevice(MakeThreadPool(1));
  ByHand by_hand(config, *device);
  const DataPart held_out = HeldOut();
  std::vector<int32_t> tokens(static_cast<size_t>(held_out.num_tokens));
  data_->Read(held_out.first_token, held_out.num_tokens, tokens.data());
  std::vector<bool> begins(tokens.size());
  for (int64_t i = 0; i < held_out.num_tokens; ++i) {
    const int64_t at = held_out.first_token + i;
    begins[static_cast<size_t>(i)] = at == data_->NextDocumentBegin(at - 1, at + 1);
  }

  std::map<int, std::pair<double, double>> documents;  // loss, tokens
  double bytes = 0;
  int document = 0;
  size_t begin = 0;  // of the window or of the document, whichever is later
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (i % static_cast<size_t>(length) == 0 || begins[i]) begin = i;
    if (begins[i + 1]) {
      ++document;
      continue;
    }
    const std::vector<int32_t> before(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                                      tokens.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    auto& [loss, count] = documents[document];
    loss += by_hand.LossOf(before, tokens[i + 1]);
    ++count;
    bytes += tokens[i + 1] + 1;
  }
  double loss = 0, count = 0, squares = 0;
  for (const auto& [d, sums] : documents) loss += sums.first, count += sums.second;
  for (const auto& [d, sums] : documents)
    squares += std::pow(sums.first - loss / count * sums.second, 2);
  const auto num_documents = static_cast<double>(documents.size());
  ASSERT_GT(num_documents, 10);

  RunLayoutRanks(1, {}, [&](Device& rank_device, Communicator& world) {
    TrainingJob job(config, rank_device, world);
    const EvaluationMetrics metrics = Evaluate(job);
    EXPECT_EQ(static_cast<double>(metrics.tokens), count);
    EXPECT_EQ(static_cast<double>(metrics.documents), num_documents);
    EXPECT_EQ(static_cast<double>(metrics.bytes), bytes);
    EXPECT_NEAR(metrics.loss.value, loss / count, kBound);
    EXPECT_NEAR(*metrics.loss.standard_error,
                std::sqrt(num_documents / (num_documents - 1) * squares) / count, kBound);
    EXPECT_NEAR(metrics.perplexity.value, std::exp(loss / count), kBound * std::exp(loss / count));
    EXPECT_NEAR(metrics.bits_per_byte->value, loss / std::log(2) / bytes, kBound);
  });
}

TEST_F(Evaluation, OfFewerWindowsPredictsFewerTokens) {
  RunLayoutRanks(1, {}, [&](Device& device, Communicator& world) {
    TrainingJob job(*Evaluated("").config, device, world);
    const EvaluationMetrics few = Evaluate(job, 3), all = Evaluate(job);
    EXPECT_LE(few.tokens, 3 * job.loader_options().sequence_length);
    EXPECT_LT(few.tokens, all.tokens / 2);
    EXPECT_LT(few.documents, all.documents);
  });
}

TEST_F(Evaluation, HasItsMemoryInThePlan) {
  for (const std::string overrides :
       {"pp=2 schedule=ONE_F_ONE_B", "dp_shard=2 zero=3 tp=2 sequence_parallel=true"}) {
    const LayoutCase layout = Evaluated(overrides);
    RunConfig without = *layout.config;
    without.mutable_train()->set_eval_interval_steps(0);
    const auto pool = MakeThreadPool(1);
    RunLocalRanks(layout.world_size, [&](Bootstrap& bootstrap) {
      const auto device = OpenTestDevice(pool);
      const auto world = bootstrap.Connect(*device);
      TrainingJob job(*layout.config, *device, *world);
      RunSteps(job, data_, {.first = 0, .count = 1});
      Evaluate(job);
      RunSteps(job, data_, {.first = 1, .count = 1});
      const MemoryStats measured = device->allocator().stats();
      const int rank = world->rank();
      const MemoryStats planned = RecordRank(*layout.config, rank, layout.world_size).memory;
      EXPECT_EQ(planned.peak_bytes, measured.peak_bytes) << overrides;
      EXPECT_EQ(planned.peak_total_bytes, measured.peak_total_bytes) << overrides;
      EXPECT_EQ(planned.high_water_bytes, measured.high_water_bytes) << overrides;
      EXPECT_LT(RecordRank(without, rank, layout.world_size).memory.peak_total_bytes,
                planned.peak_total_bytes);
    });
  }
}

TEST_F(Evaluation, HasNoHazard) {
  struct Recorded {
    const char* overrides;
    int rank;  // has the last stage: the sim device tells nothing of what others count
  };
  for (const auto& [overrides, rank] :
       {Recorded{"pp=2 schedule=ZBV zero=3 dp_shard=2 prefetch=1 train.offload_activations=true",
                 0},
        Recorded{"pp=2 schedule=INTERLEAVED chunks=2", 1},
        Recorded{"tp=2 sequence_parallel=true token_parts=2", 0}}) {
    const LayoutCase layout = Evaluated(overrides);
    SimBootstrap bootstrap(rank, layout.world_size);
    const auto device = OpenTestDevice(nullptr, CpuStreams::kInline, DeviceKind::kSim);
    const auto world = bootstrap.Connect(*device);
    TrainingJob job(*layout.config, *device, *world);
    Trace trace;
    device->set_trace(&trace);
    RunSteps(job, data_, {.first = 0, .count = 1});
    Evaluate(job);
    RunSteps(job, data_, {.first = 1, .count = 1});
    device->set_trace(nullptr);
    const auto hazards = sim::FindHazards(trace);
    EXPECT_TRUE(hazards.empty()) << overrides << ": " << hazards.size()
                                 << " hazards, first: " << hazards.front().ToString();
  }
}

}  // namespace
}  // namespace cadmus
