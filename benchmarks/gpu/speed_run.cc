// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/gpu/speed_run.h"

#include <algorithm>
#include <cstdio>

#include "kernels/base/error.h"
#include "kernels/base/philox.h"

namespace cadmus::gpu_speed {
namespace {

// "swiglu …: 12.3 us, spread 0.4 %, 1.150 times the time of device copy, control 1.0020"
std::string InShort(const std::string& case_name, const timing::Contestant* b,
                    const timing::Measurement& measurement) {
  const timing::Alternation& shown =
      measurement.contest ? *measurement.contest : measurement.control;
  char text[256];
  std::snprintf(text, sizeof(text), ": %.1f us, spread %.1f %%", 1e6 * shown.a.median,
                100 * shown.a.spread());
  std::string line = case_name + text;
  if (measurement.contest) {
    std::snprintf(text, sizeof(text), ", %.3f times the time of ", shown.ratio);
    line += text + b->name;
  }
  std::snprintf(text, sizeof(text), ", control %.4f%s", measurement.control.ratio,
                measurement.trusted ? "" : " NOT TRUSTED");
  return line + text;
}

}  // namespace

void SpeedRun::Report(
    const std::string& case_name, const timing::Contestant& a, const timing::Contestant* b,
    const std::function<timing::Findings(const timing::Measurement&)>& findings_of) {
  const timing::Measurement measurement = timing::Measure(a, b, protocol, machine);
  const std::string* b_name = b == nullptr ? nullptr : &b->name;
  results << timing::ResultLine(case_name, a.name, b_name, measurement, findings_of(measurement))
          << std::endl;
  people << InShort(case_name, b, measurement) << std::endl;
}

// A block of random numbers, another for each tensor, over and over: no cache tells that it
// repeats, and filling gigabytes takes no time.
template <class Element>
TensorView Buffers::Filled(DType dtype, const Shape& shape,
                           const std::function<Element(double)>& make) {
  constexpr int64_t kBlock = int64_t{1} << 20;
  const TensorView all = Empty(dtype, shape);
  filled_bytes_ += all.num_bytes();
  Device& device = stream_.device();
  if (!device.holds_values()) return all;
  const int64_t count = shape.num_elements();
  std::vector<Element> block(static_cast<size_t>(std::min(kBlock, count)));
  const PhiloxKey key = DeriveKey(0, tensors_.size(), SiteOf("gpu benchmark"));
  for (size_t i = 0; i < block.size(); ++i) {
    block[i] = make(UniformFromWord(Philox(key, {static_cast<uint32_t>(i), 0, 0, 0})[0]));
  }
  const TensorView flat = all.Reshape({count});
  for (int64_t at = 0; at < count; at += kBlock) {
    const int64_t n = std::min(kBlock, count - at);
    device.CopyToDevice(flat.Slice(0, at, at + n), TensorView(block.data(), dtype, {n}), stream_);
  }
  stream_.Synchronize(device.wait_limit());  // the block goes away
  return all;
}

TensorView Buffers::Uniform(DType dtype, const Shape& shape, double low, double high) {
  const auto scaled = [=](double uniform) { return low + (high - low) * uniform; };
  switch (dtype) {
    case DType::kF32:
      return Filled<float>(dtype, shape, [&](double u) { return static_cast<float>(scaled(u)); });
    case DType::kBF16:
      return Filled<BFloat16>(dtype, shape, [&](double u) { return BFloat16(scaled(u)); });
    default:
      CADMUS_UNREACHABLE(StrCat("no random ", Name(dtype)));
  }
}

TensorView Buffers::Integers(const Shape& shape, int64_t limit) {
  return Filled<int32_t>(DType::kI32, shape, [limit](double u) {
    return static_cast<int32_t>(u * static_cast<double>(limit));
  });
}

TensorView Buffers::Copied(const ConstTensorView& host) {
  const TensorView view = Empty(host.dtype(), host.shape());
  stream_.device().CopyToDevice(view, host, stream_);
  stream_.Synchronize(stream_.device().wait_limit());
  return view;
}

TensorView Buffers::Empty(DType dtype, const Shape& shape) {
  return tensors_.emplace_back(dtype, shape, MemoryCategory::kWorkspace, stream_).view();
}

}  // namespace cadmus::gpu_speed
