// SPDX-License-Identifier: Apache-2.0
// The loop: what observers are told, when it stops, where it goes on, and numbers that run away.
#include "runtime/train/trainer.h"
#include "launch/config/run_config.pb.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "collectives/local/local_world.h"
#include "kernels/base/error.h"
#include "runtime/data/indexed_dataset.h"
#include "runtime/data/loader.h"
#include "tests/launch/run/training_fixture.h"

namespace cadmus {
namespace {

// Writes down what it is told.
class Diary final : public StepObserver {
 public:
  explicit Diary(std::function<void(int64_t)> after_step = [](int64_t) {})
      : after_step_(std::move(after_step)) {}
  void AfterStep(const StepReport& report) override {
    steps.push_back(report.completed_steps);
    losses.push_back(report.result.loss);
    EXPECT_EQ(report.total_steps, 6);
    EXPECT_EQ(report.tokens, 288);
    EXPECT_GE(report.seconds, 0);
    after_step_(report.completed_steps);
  }
  void AtEnd(int64_t completed_steps, Outcome outcome) override {
    ends.push_back({completed_steps, outcome});
  }

  std::vector<int64_t> steps;
  std::vector<double> losses;
  std::vector<std::pair<int64_t, Outcome>> ends;

 private:
  std::function<void(int64_t)> after_step_;
};

class TrainerTest : public testing::Test {
 protected:
  TrainerTest()
      : data_(UnevenDocuments(folder_.path(), 131)),
        device_(OpenTestDevice(MakeThreadPool(1))),
        world_(1),
        alone_(world_.bootstrap(0).Connect(*device_)) {
    config_.mutable_train()->set_steps(6);
  }
  // A job with its first weights.
  void NewJob() { job_ = std::make_unique<TrainingJob>(config_, *device_, *alone_); }
  Outcome Run(std::vector<StepObserver*> observers, int64_t completed_steps = 0) {
    Loader loader(data_, job_->loader_options());
    Trainer trainer(job_->step(), loader, std::move(observers), stop_,
                    {.completed_steps = completed_steps, .total_steps = 6, .tokens_per_step = 288});
    return trainer.Run();
  }

  TemporaryFolder folder_;
  RunConfig config_ = TinyRun();
  std::shared_ptr<const IndexedDataset> data_;
  std::unique_ptr<Device> device_;
  LocalWorld world_;
  std::unique_ptr<Communicator> alone_;
  std::unique_ptr<TrainingJob> job_;
  std::atomic<bool> stop_ = false;
};

using Steps = std::vector<int64_t>;
using Ends = std::vector<std::pair<int64_t, Outcome>>;

TEST_F(TrainerTest, ObserversAreToldOfEachStepInTheirOrderAndOfTheEndOnce) {
  NewJob();
  Diary first, second([&](int64_t step) { EXPECT_EQ(first.steps.back(), step); });
  EXPECT_EQ(Run({&first, &second}), Outcome::kDone);
  EXPECT_EQ(first.steps, (Steps{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(second.steps, first.steps);
  EXPECT_EQ(first.ends, (Ends{{6, Outcome::kDone}}));
}

TEST_F(TrainerTest, StopsAfterTheStepThatHearsOfItAndGoesOnTheSame) {
  NewJob();
  Diary whole;
  Run({&whole});

  NewJob();
  Diary begin([&](int64_t step) { stop_ = step == 2; });
  EXPECT_EQ(Run({&begin}), Outcome::kStopped);
  EXPECT_EQ(begin.steps, (Steps{1, 2, 3}));
  EXPECT_EQ(begin.ends, (Ends{{3, Outcome::kStopped}}));

  stop_ = false;
  Diary rest;
  EXPECT_EQ(Run({&rest}, 3), Outcome::kDone);
  EXPECT_EQ(rest.steps, (Steps{4, 5, 6}));
  std::vector<double> losses = begin.losses;
  losses.insert(losses.end(), rest.losses.begin(), rest.losses.end());
  EXPECT_EQ(losses, whole.losses);
}

TEST_F(TrainerTest, StopInTheLastStepIsTheEnd) {
  NewJob();
  Diary diary([&](int64_t step) { stop_ = step >= 5; });
  EXPECT_EQ(Run({&diary}), Outcome::kDone);
  EXPECT_EQ(diary.ends, (Ends{{6, Outcome::kDone}}));
}

TEST_F(TrainerTest, NothingIsLeftToDoForAFinishedRun) {
  NewJob();
  Diary diary;
  EXPECT_EQ(Run({&diary}, 6), Outcome::kDone);
  EXPECT_TRUE(diary.steps.empty());
  EXPECT_EQ(diary.ends, (Ends{{6, Outcome::kDone}}));
}

TEST_F(TrainerTest, LossThatIsNotFiniteIsAnErrorOfNumericsThatNamesTheStep) {
  config_.mutable_optimizer()->set_lr(1e300);
  config_.mutable_optimizer()->set_warmup_steps(0);
  NewJob();
  Diary diary;
  try {
    Run({&diary});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kNumerics);
    EXPECT_NE(e.message().find(StrCat("step ", diary.steps.size() + 1)), std::string::npos);
  }
  EXPECT_FALSE(diary.steps.empty());
  EXPECT_TRUE(diary.ends.empty());  // nothing of it is saved
}

}  // namespace
}  // namespace cadmus
