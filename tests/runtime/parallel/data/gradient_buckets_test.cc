// SPDX-License-Identifier: Apache-2.0
// Buckets: which parameters share one, what the sum over ranks is, and misuse that is caught.
#include "runtime/parallel/data/gradient_buckets.h"

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include "collectives/local/local_world.h"
#include "kernels/base/error.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

constexpr Precision kPrecision = {DType::kF64, DType::kF64, DType::kF64,
                                  DType::kF64, DType::kF64, DType::kF64};

// One rank with parameters of these numbers of elements, named "p0", "p1", ….
class Rank {
 public:
  Rank(Bootstrap& bootstrap, const std::vector<int64_t>& sizes,
       const GradientBucketsOptions& options)
      : device_(OpenDevice({.memory_bytes = int64_t{32} << 20, .pool = MakeThreadPool(1)})),
        world_(bootstrap.Connect(*device_)),
        compute_(device_->NewStream(StreamKind::kCompute, "compute")),
        communication_(device_->NewStream(StreamKind::kCommunication, "communication")) {
    std::vector<Parameter*> pointers;
    for (int64_t size : sizes) {
      parameters_.push_back({.name = StrCat("p", parameters_.size()), .shape = {size}});
      pointers.push_back(&parameters_.back());
    }
    buckets_ = std::make_unique<GradientBuckets>(pointers, kPrecision, *world_, *compute_,
                                                 *communication_, options);
  }

  GradientBuckets& buckets() { return *buckets_; }
  std::list<Parameter>& parameters() { return parameters_; }

  // Every element gets `value`, written or added as the buckets say.
  void Contribute(Parameter& parameter, double value) {
    const GradMode mode = buckets_->Begin(parameter);
    std::vector<double> values = Read(parameter.grad);
    for (double& element : values) element = mode == GradMode::kOverwrite ? value : element + value;
    device_->CopyToDevice(parameter.grad,
                          ConstTensorView(values.data(), DType::kF64, parameter.shape), *compute_);
    compute_->Synchronize(device_->wait_limit());
    buckets_->End(parameter);
  }
  double SquaredNorm() {
    const Tensor out(DType::kF64, {1}, MemoryCategory::kWorkspace, *compute_);
    buckets_->SquaredNorm(out);
    return Read(out.view())[0];
  }
  std::vector<double> Read(const TensorView& tensor) {
    std::vector<double> values(static_cast<size_t>(tensor.num_elements()));
    device_->CopyToHost(TensorView(values.data(), DType::kF64, tensor.shape()), tensor, *compute_);
    compute_->Synchronize(device_->wait_limit());
    return values;
  }

 private:
  std::unique_ptr<Device> device_;
  std::unique_ptr<Communicator> world_;
  std::unique_ptr<Stream> compute_, communication_;
  std::list<Parameter> parameters_;
  std::unique_ptr<GradientBuckets> buckets_;
};

void OnOneRank(const std::vector<int64_t>& sizes, const GradientBucketsOptions& options,
               const std::function<void(Rank&)>& body) {
  LocalWorld world(1);
  Rank rank(world.bootstrap(0), sizes, options);
  body(rank);
}

TEST(GradientBuckets, FillUpFromTheLastParameterAndLargeOnesStandAlone) {
  // 32 elements of f64 are one aligned block of 256 bytes.
  const std::vector<int64_t> sizes = {32, 1, 1000, 32, 32};
  const auto expect = [&](int64_t bucket_bytes, int num_buckets) {
    OnOneRank(sizes, {.bucket_bytes = bucket_bytes}, [&](Rank& rank) {
      EXPECT_EQ(rank.buckets().num_buckets(), num_buckets) << bucket_bytes;
    });
  };
  expect(1, 5);
  expect(512, 3);  // p4 p3 | p2 | p1 p0
  expect(1 << 20, 1);
}

TEST(GradientBuckets, SumOverRanksAndMicroBatchesAndUses) {
  for (const Overlap overlap : {Overlap::kOff, Overlap::kOn}) {
    for (const int64_t bucket_bytes : {1, 512, 1 << 20}) {
      RunLocalRanks(3, [&](Bootstrap& bootstrap) {
        Rank rank(bootstrap, {5, 33, 2}, {.bucket_bytes = bucket_bytes, .overlap = overlap});
        rank.parameters().front().num_uses = 2;  // a tied table
        for (int step = 0; step < 2; ++step) {   // the second overwrites
          rank.buckets().BeginStep(2);
          for (int micro_batch = 0; micro_batch < 2; ++micro_batch) {
            for (auto parameter = rank.parameters().rbegin(); parameter != rank.parameters().rend();
                 ++parameter) {
              for (int use = 0; use < parameter->num_uses; ++use)
                rank.Contribute(*parameter, bootstrap.rank() + 1);
            }
          }
          rank.buckets().FinishReduction();
          // Of each element 12, of the tied table's 24.
          EXPECT_EQ(rank.SquaredNorm(), 35 * 144 + 5 * 576);
          EXPECT_EQ(rank.Read(rank.parameters().front().grad), std::vector<double>(5, 24));
          EXPECT_EQ(rank.Read(rank.parameters().back().grad), std::vector<double>(2, 12));
        }
      });
    }
  }
}

TEST(GradientBuckets, MissingContributionIsNamed) {
  OnOneRank({4, 4}, {.bucket_bytes = 1}, [](Rank& rank) {
    rank.buckets().BeginStep(1);
    rank.Contribute(rank.parameters().back(), 1);
    try {
      rank.buckets().FinishReduction();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Kind::kInternal);
      EXPECT_NE(e.message().find("p0"), std::string::npos) << e.message();
    }
  });
}

TEST(GradientBuckets, ContributionTooManyIsNamed) {
  OnOneRank({4, 4}, {}, [](Rank& rank) {
    rank.buckets().BeginStep(1);
    rank.Contribute(rank.parameters().front(), 1);
    EXPECT_THROW(rank.Contribute(rank.parameters().front(), 1), Error);
  });
}

TEST(GradientBuckets, ParameterOfAnotherModelIsRefused) {
  OnOneRank({4}, {}, [](Rank& rank) {
    rank.buckets().BeginStep(1);
    Parameter stranger = {.name = "stranger", .shape = {4}};
    EXPECT_THROW(rank.buckets().Begin(stranger), std::exception);
  });
}

}  // namespace
}  // namespace cadmus
