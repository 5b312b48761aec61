// SPDX-License-Identifier: Apache-2.0
// Reproducible random meshes and permutations for property tests.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/base/philox.h"
#include "runtime/mesh/mesh.h"

namespace cadmus {

class Random {
 public:
  explicit Random(uint64_t seed) : key_(DeriveKey(seed, 0, 0)) {}

  // Uniform in [0, bound).
  int Below(int bound) { return static_cast<int>(Philox(key_, {counter_++, 0, 0, 0})[0] % bound); }

 private:
  PhiloxKey key_;
  uint32_t counter_ = 0;
};

inline std::vector<int> RandomPermutation(Random& random, int n) {
  std::vector<int> out(n);
  std::iota(out.begin(), out.end(), 0);
  for (int i = n - 1; i > 0; --i) std::swap(out[i], out[random.Below(i + 1)]);
  return out;
}

// Every axis of 1 to 3 ranks, the experts' the same ranks in another way, randomly placed.
inline Mesh RandomMesh(Random& random) {
  AxisSizes sizes;
  int world_size = 1;
  for (Axis axis : AllAxes()) {
    if (!kDenseAxes.Contains(axis)) continue;
    sizes.Set(axis, random.Below(3) + 1);
    world_size *= sizes[axis];
  }
  int left = world_size / sizes.pp;
  for (Axis axis : {Axis::kEtp, Axis::kEp, Axis::kEdpShard}) {
    const int divisor = random.Below(3) + 1;
    if (left % divisor != 0) continue;
    sizes.Set(axis, divisor);
    left /= divisor;
  }
  if (random.Below(3) == 0) return Mesh(sizes, world_size);
  return Mesh(sizes, world_size, RandomPermutation(random, world_size));
}

}  // namespace cadmus
