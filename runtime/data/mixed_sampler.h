// SPDX-License-Identifier: Apache-2.0
// MixedSampler: the samples of a run that trains on a mix of data: sample g is a window of the
// source that Blend gives it to, and each source runs through its own epochs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/data/blend.h"
#include "runtime/data/data_mix.h"
#include "runtime/data/window_sampler.h"

namespace cadmus {

class MixedSampler {
 public:
  // `options` without the range of tokens, which each part of the mix names; the order of windows
  // in source i is drawn from (seed, i), that of the first from the seed alone. Throws as Blend
  // and WindowSampler do.
  MixedSampler(DataMix mix, const WindowOptions& options);

  // For messages: the data sets.
  std::string name() const;

  Blend::Place PlaceOf(int64_t g) const { return blend_.At(g); }
  const WindowSampler& source(int64_t i) const { return samplers_[static_cast<size_t>(i)]; }

  // As WindowSampler's.
  int64_t SupervisedTokens(int64_t g) const;
  void Fill(int64_t g, const SampleRow& row) const;

 private:
  DataMix mix_;
  Blend blend_;
  std::vector<WindowSampler> samplers_;  // of the parts of mix_
};

}  // namespace cadmus
