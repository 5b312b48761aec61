// SPDX-License-Identifier: Apache-2.0
// Data parallelism over local ranks computes the step that one rank computes (P1), and its switches
// change no bit (P4).
#include <gtest/gtest.h>
#include <algorithm>
#include <set>

#include "launch/config/run_config.pb.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

constexpr int kSteps = 3;
constexpr double kBound = 1e-10;

class DataParallel : public testing::Test {
 protected:
  DataParallel() : config_(TinyRun()), data_(UnevenDocuments(folder_.path(), 131)) {}

  TemporaryFolder folder_;
  RunConfig config_;
  std::shared_ptr<const IndexedDataset> data_;
};

void ExpectSameStep(const std::vector<StepState>& a, const std::vector<StepState>& one,
                    const std::string& what) {
  ASSERT_EQ(a.size(), one.size());
  for (size_t step = 0; step < one.size(); ++step) {
    const std::string where = StrCat(what, ", step ", step);
    EXPECT_NEAR(a[step].result.loss, one[step].result.loss, kBound * one[step].result.loss)
        << where;
    EXPECT_NEAR(a[step].result.gradient_norm, one[step].result.gradient_norm,
                kBound * one[step].result.gradient_norm)
        << where;
    ExpectTensorsNear(a[step].gradients, one[step].gradients, kBound, where + ", gradients");
    ExpectTensorsNear(a[step].weights, one[step].weights, kBound, where + ", weights");
  }
}

TEST_F(DataParallel, InputsAreAsHardAsPromised) {
  std::set<int64_t> supervised_per_rank;
  for (int rank = 0; rank < 4; ++rank) {
    const GlobalBatch batches(data_, {.seed = config_.train().seed(),
                                      .sequence_length = 24,
                                      .global_batch_size = 12,
                                      .micro_batch_size = 1,
                                      .dp_index = rank,
                                      .dp_count = 4,
                                      .vocab_size = 131});
    StepBatch batch = batches.Allocate();
    batches.Fill(0, batch);
    int64_t supervised = 0;
    for (const MicroBatch& micro_batch : batch.micro_batches) {
      supervised += std::count_if(micro_batch.labels_BS.begin(), micro_batch.labels_BS.end(),
                                  [](int32_t label) { return label >= 0; });
    }
    supervised_per_rank.insert(supervised);
  }
  EXPECT_GT(supervised_per_rank.size(), 1u) << "ranks have equally many supervised tokens";
  const auto one = TrainStepsLocally(config_, data_, 1, 1);
  EXPECT_GT(one[0].result.gradient_norm, config_.optimizer().clip_norm())
      << "clipping does not act";
}

TEST_F(DataParallel, TwoThreeAndFourRanksAgreeWithOne) {
  for (const bool tied : {false, true}) {
    config_.mutable_model()->mutable_llama()->set_tie_word_embeddings(tied);
    const auto one = TrainStepsLocally(config_, data_, 1, kSteps);
    for (const int ranks : {2, 3, 4}) {
      ExpectSameStep(TrainStepsLocally(config_, data_, ranks, kSteps), one,
                     StrCat(ranks, " ranks", tied ? ", tied" : ""));
    }
  }
}

TEST_F(DataParallel, MicroBatchSizeKeepsTheStep) {
  const auto one = TrainStepsLocally(config_, data_, 1, kSteps);
  config_.mutable_train()->set_micro_batch_size(3);
  ExpectSameStep(TrainStepsLocally(config_, data_, 2, kSteps), one, "micro-batches of 3");
}

TEST_F(DataParallel, BucketSizeAndOverlapChangeNoBit) {
  const auto reference = TrainStepsLocally(config_, data_, 3, kSteps);
  for (const double bucket_mib : {1e-6, 0.01, 0.05, 64.0}) {
    for (const bool overlap : {false, true}) {
      config_.mutable_train()->set_bucket_mib(bucket_mib);
      config_.mutable_train()->set_overlap_reduction(overlap);
      ExpectSameBits(TrainStepsLocally(config_, data_, 3, kSteps), reference,
                     StrCat("buckets of ", bucket_mib, " MiB, overlap ", overlap));
    }
  }
}

TEST_F(DataParallel, ThreadsAndThreadedStreamsChangeNoBit) {
  const auto reference = TrainStepsLocally(config_, data_, 2, kSteps, CpuStreams::kInline, 1);
  for (const int threads : {2, 3}) {
    ExpectSameBits(TrainStepsLocally(config_, data_, 2, kSteps, CpuStreams::kInline, threads),
                   reference, StrCat(threads, " threads"));
  }
  ExpectSameBits(TrainStepsLocally(config_, data_, 2, kSteps, CpuStreams::kThreaded, 2), reference,
                 "threaded streams");
}

}  // namespace
}  // namespace cadmus
