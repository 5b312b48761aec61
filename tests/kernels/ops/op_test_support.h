// SPDX-License-Identifier: Apache-2.0
// What the op tests share: a device (on the CPU, with n threads), tensors between canaries, values
// from Philox, and the bounds by which results are judged.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include "kernels/base/philox.h"
#include "kernels/device/device.h"
#include "kernels/device/tensor.h"
#include "kernels/open_device.h"
#include "tests/support/test_device.h"

namespace cadmus {

// An open device with one compute stream.
struct OpBench {
  explicit OpBench(int num_threads = 2) : OpBench(MakeThreadPool(num_threads)) {}
  // One of the ranks that share a pool. shared_ptr: see DeviceOptions.
  explicit OpBench(std::shared_ptr<cpu::ThreadPool> pool) {
    DeviceOptions options;
    options.kind = kTestDevice;
    options.memory_bytes = int64_t{256} << 20;
    options.pool = std::move(pool);
    device = OpenDevice(options);
    stream = device->NewStream(StreamKind::kCompute, "compute");
  }
  void Synchronize() const { stream->Synchronize(device->wait_limit()); }

  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> stream;
};

// `count` values, uniform in (-scale, scale); the same for the same name.
template <class T>
std::vector<T> RandomValues(int64_t count, std::string_view name, double scale = 1.0) {
  const PhiloxKey key = DeriveKey(7, 0, SiteOf(name));
  std::vector<T> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    const PhiloxWords words = Philox(key, {static_cast<uint32_t>(i / 4), 0, 0, 0});
    values[i] = static_cast<T>(scale * (2 * UniformFromWord(words[i % 4]) - 1));
  }
  return values;
}

template <class To, class From>
std::vector<To> Converted(const std::vector<From>& values) {
  return std::vector<To>(values.begin(), values.end());
}

// A device tensor between two canary zones. What it holds before Set is NaN (integers: all bits
// set), so that an op that reads what it should overwrite is seen. ExpectCanariesIntact is called
// by Get and by the destructor.
template <class T>
class GuardedTensor {
 public:
  GuardedTensor(const OpBench& bench, const Shape& shape)
      : bench_(bench),
        shape_(shape),
        memory_(DTypeOf<T>, {shape.num_elements() + 2 * kCanaries}, MemoryCategory::kWorkspace,
                *bench.stream) {
    std::vector<T> content(static_cast<size_t>(memory_.view().num_elements()), Poison());
    std::fill_n(content.begin(), kCanaries, Canary());
    std::fill_n(content.end() - kCanaries, kCanaries, Canary());
    Upload(memory_.view(), content);
  }
  GuardedTensor(const OpBench& bench, const Shape& shape, const std::vector<T>& values)
      : GuardedTensor(bench, shape) {
    Set(values);
  }
  GuardedTensor(const GuardedTensor&) = delete;
  GuardedTensor& operator=(const GuardedTensor&) = delete;
  ~GuardedTensor() { ExpectCanariesIntact(); }

  TensorView view() const {
    return memory_.view().Slice(0, kCanaries, kCanaries + shape_.num_elements()).Reshape(shape_);
  }
  operator TensorView() const { return view(); }       // NOLINT(google-explicit-constructor)
  operator ConstTensorView() const { return view(); }  // NOLINT(google-explicit-constructor)

  void Set(const std::vector<T>& values) {
    ASSERT_EQ(static_cast<int64_t>(values.size()), shape_.num_elements());
    Upload(view(), values);
  }
  std::vector<T> Get() const {
    const std::vector<T> all = Download();
    ExpectCanariesIntact(all);
    return std::vector<T>(all.begin() + kCanaries, all.end() - kCanaries);
  }

 private:
  static constexpr int64_t kCanaries = 64;

  static T Poison() {
    if constexpr (std::numeric_limits<T>::has_quiet_NaN) {
      return std::numeric_limits<T>::quiet_NaN();
    } else {
      return static_cast<T>(~T{0});
    }
  }
  static T Canary() { return static_cast<T>(93); }

  void Upload(const TensorView& destination, const std::vector<T>& values) const {
    if (values.empty()) return;
    bench_.device->CopyToDevice(destination,
                                ConstTensorView(values.data(), DTypeOf<T>, destination.shape()),
                                *bench_.stream);
    bench_.Synchronize();
  }
  std::vector<T> Download() const {
    std::vector<T> all(static_cast<size_t>(memory_.view().num_elements()));
    bench_.device->CopyToHost(TensorView(all.data(), DTypeOf<T>, memory_.view().shape()),
                              memory_.view(), *bench_.stream);
    bench_.Synchronize();
    return all;
  }
  void ExpectCanariesIntact() const { ExpectCanariesIntact(Download()); }
  static void ExpectCanariesIntact(const std::vector<T>& all) {
    const auto is_canary = [](T value) { return value == Canary(); };
    EXPECT_TRUE(std::all_of(all.begin(), all.begin() + kCanaries, is_canary))
        << "an op wrote in front of its output";
    EXPECT_TRUE(std::all_of(all.end() - kCanaries, all.end(), is_canary))
        << "an op wrote behind its output";
  }

  const OpBench& bench_;
  Shape shape_;
  Tensor memory_;
};

// max |a - b|, NaN if any difference is; infinities of one sign are equal.
template <class A, class B>
double MaxError(const std::vector<A>& a, const std::vector<B>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const auto x = static_cast<long double>(a[i]);
    const auto y = static_cast<long double>(b[i]);
    const auto error = static_cast<double>(x == y ? 0.0L : std::fabs(x - y));
    if (std::isnan(error)) return error;
    worst = std::max(worst, error);
  }
  return worst;
}

template <class A>
double MaxMagnitude(const std::vector<A>& values) {
  double largest = 0;
  for (const A& value : values) {
    if (std::isfinite(static_cast<double>(value))) {
      largest = std::max(largest, std::fabs(static_cast<double>(value)));
    }
  }
  return largest;
}

// The rule for every result: at most twice the error of a plain implementation in the same type,
// plus two roundings of the largest value.
template <class T, class Exact>
void ExpectAsGoodAsPlain(const std::vector<T>& result, const std::vector<T>& plain,
                         const std::vector<Exact>& exact, const std::string& what) {
  const double rounding = std::numeric_limits<T>::epsilon() * MaxMagnitude(exact);
  EXPECT_LE(MaxError(result, exact), 2 * MaxError(plain, exact) + 2 * rounding) << what;
}

template <class T>
bool BitEqual(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// The gradient of `loss` at `at` by central differences, in f64.
inline std::vector<double> FiniteDifferences(
    std::vector<double> at, const std::function<double(const std::vector<double>&)>& loss,
    double step = 1e-5) {
  std::vector<double> gradient(at.size());
  for (size_t i = 0; i < at.size(); ++i) {
    const double center = at[i];
    at[i] = center + step;
    const double above = loss(at);
    at[i] = center - step;
    const double below = loss(at);
    at[i] = center;
    gradient[i] = (above - below) / (2 * step);
  }
  return gradient;
}

// The message of the Error that `call` throws; fails the test if it throws none.
template <class Call>
std::string ErrorOf(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.message();
  }
  ADD_FAILURE() << "no Error was thrown";
  return "";
}

}  // namespace cadmus
