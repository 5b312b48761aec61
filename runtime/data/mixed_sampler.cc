// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/mixed_sampler.h"

#include <utility>

#include "kernels/base/str_cat.h"

namespace cadmus {
namespace {

// Weyl's sequence of the golden ratio: the seeds of any two sources differ.
constexpr uint64_t kSeedStep = 0x9E3779B97F4A7C15;

std::vector<double> WeightsOf(const DataMix& mix) {
  std::vector<double> weights;
  for (const DataPart& part : mix) weights.push_back(part.weight);
  return weights;
}

}  // namespace

MixedSampler::MixedSampler(DataMix mix, const WindowOptions& options)
    : mix_(std::move(mix)), blend_(WeightsOf(mix_)) {
  for (size_t i = 0; i < mix_.size(); ++i) {
    WindowOptions of_source = options;
    of_source.seed += i * kSeedStep;
    of_source.first_token = mix_[i].first_token;
    of_source.num_tokens = mix_[i].num_tokens;
    samplers_.emplace_back(*mix_[i].data, of_source);
  }
}

std::string MixedSampler::name() const {
  std::string name;
  for (const DataPart& part : mix_) name += StrCat(name.empty() ? "" : ", ", part.data->name());
  return name;
}

int64_t MixedSampler::SupervisedTokens(int64_t g) const {
  const Blend::Place place = blend_.At(g);
  return source(place.source).SupervisedTokens(place.sample);
}

void MixedSampler::Fill(int64_t g, const SampleRow& row) const {
  const Blend::Place place = blend_.At(g);
  source(place.source).Fill(place.sample, row);
}

}  // namespace cadmus
