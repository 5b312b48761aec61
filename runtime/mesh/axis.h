// SPDX-License-Identifier: Apache-2.0
// Axis: the directions in which work is divided over ranks, and sets of them that are flattened
// into one group. An axis belongs to a mesh; a tensor has dims.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace cadmus {

// Dense parts of a model use the first six; experts use kPp and the last four. Each family is
// listed from the slowest axis (far apart in rank order) to the fastest (neighbouring ranks).
enum class Axis : uint8_t {
  kPp,           // pipeline stages
  kDpReplicate,  // data parallel, whole copies of the state
  kDpShard,      // data parallel, state sharded (ZeRO)
  kCpRing,       // sequence split, keys and values travel round a ring
  kCpUlysses,    // sequence split, all-to-all to heads inside attention
  kTp,           // matrices split
  kEdpReplicate,
  kEdpShard,
  kEp,   // whole experts split
  kEtp,  // matrices of an expert split
};
inline constexpr int kNumAxes = 10;

// The name in configs and messages: "dp_shard".
std::string_view AxisName(Axis axis);

// A set of axes. Its flattened index runs over the axes in the order of Axis, the last fastest.
class AxisSet {
 public:
  constexpr AxisSet() = default;
  constexpr AxisSet(Axis axis) : bits_(uint16_t(1u << static_cast<int>(axis))) {}
  constexpr AxisSet(std::initializer_list<Axis> axes) {
    for (Axis axis : axes) bits_ |= AxisSet(axis).bits_;
  }

  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool Contains(AxisSet other) const { return (bits_ & other.bits_) == other.bits_; }
  constexpr bool Intersects(AxisSet other) const { return (bits_ & other.bits_) != 0; }

  friend constexpr AxisSet operator|(AxisSet a, AxisSet b) { return FromBits(a.bits_ | b.bits_); }
  // The axes of `a` that are not in `b`.
  friend constexpr AxisSet operator-(AxisSet a, AxisSet b) { return FromBits(a.bits_ & ~b.bits_); }
  friend constexpr bool operator==(AxisSet, AxisSet) = default;

 private:
  static constexpr AxisSet FromBits(int bits) {
    AxisSet out;
    out.bits_ = static_cast<uint16_t>(bits);
    return out;
  }

  uint16_t bits_ = 0;
};

inline constexpr AxisSet kDenseAxes = {Axis::kPp,     Axis::kDpReplicate, Axis::kDpShard,
                                       Axis::kCpRing, Axis::kCpUlysses,   Axis::kTp};
inline constexpr AxisSet kExpertAxes = {Axis::kPp, Axis::kEdpReplicate, Axis::kEdpShard, Axis::kEp,
                                        Axis::kEtp};

// Ranks that read different samples.
inline constexpr AxisSet kDpAxes = {Axis::kDpReplicate, Axis::kDpShard};
// Ranks that hold different parts of the same sequences.
inline constexpr AxisSet kCpAxes = {Axis::kCpRing, Axis::kCpUlysses};
// Ranks that see different tokens: the loss and the gradients of dense parameters are summed here.
inline constexpr AxisSet kLossAxes = kDpAxes | kCpAxes;
// Ranks over which ZeRO shards dense state.
inline constexpr AxisSet kZeroAxes = AxisSet(Axis::kDpShard) | kCpAxes;
// Ranks over which the gradients of one expert's parameters are summed.
inline constexpr AxisSet kEdpAxes = {Axis::kEdpReplicate, Axis::kEdpShard};

// The name of a group over `axes`: the axis' own; "dp", "cp", "loss", "zero", "edp", "world" for
// the sets above; else the names joined by '+'. The empty set is "self".
std::string GroupName(AxisSet axes);

// Every axis once, in the order of Axis.
constexpr std::array<Axis, kNumAxes> AllAxes() {
  std::array<Axis, kNumAxes> all = {};
  for (int i = 0; i < kNumAxes; ++i) all[i] = static_cast<Axis>(i);
  return all;
}

}  // namespace cadmus
