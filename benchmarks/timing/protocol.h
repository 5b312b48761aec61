// SPDX-License-Identifier: Apache-2.0
// The timing protocol of every GPU benchmark: two contestants in alternating blocks, A B B A A B …,
// so that what drifts meets both alike. The first part of a block, in which clocks and caches
// settle, is dropped; clocks are read and never set. A control, A against itself under the same
// protocol, shows what difference means nothing.
//
// The machine has a queue that is never empty inside a block: while one chunk of calls runs, the
// next has been enqueued, so that neither waits nor launches are timed, and host clocks suffice.
//
//   const Measurement m = Measure(ours, &theirs, Protocol{}, machine);
//   if (m.trusted) … m.contest->ratio
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "benchmarks/timing/statistics.h"

namespace cadmus::timing {

// What the sensors said while a block ran.
struct Reading {
  double watts = 0;
  int sm_mhz = 0;
  int celsius = 0;
  std::string throttle_reasons;
};

// The clock, and the queue that contestants enqueue to.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual double Seconds() = 0;  // since any moment
  // Marks the end of what was enqueued so far; there are marks 0 and 1.
  virtual void Mark(int mark) = 0;
  virtual void Await(int mark) = 0;
  virtual std::optional<Reading> Read() = 0;  // none: no sensors
};

// `enqueue` is given the number of its call, from 0 on: it rotates inputs by it.
struct Contestant {
  std::string name;
  std::function<void(int64_t call)> enqueue;
};

struct Protocol {
  double block_seconds = 0.3;     // at least, what is dropped included
  double dropped_seconds = 0.05;  // at least
  double chunk_seconds = 0.005;   // at least, of the calls between two looks at the clock
  int blocks_per_side = 8;        // even, so that each side goes first equally often
  double control_bound = 0.01;    // how far the ratio of the control may be from 1
};

enum class Side : uint8_t { kA, kB };

struct Block {
  Side side = Side::kA;
  int64_t calls = 0;  // that count
  double seconds_per_call = 0;
  std::optional<Reading> reading;
};

struct Alternation {
  std::vector<Block> blocks;  // in the order in which they ran
  Summary a, b;               // seconds per call
  double ratio = 0;           // of the medians, A / B: below 1, A is faster
  Summary pair_ratios;        // A / B of neighbours
};

struct Measurement {
  Alternation control;                 // A against A
  std::optional<Alternation> contest;  // A against B; none: A is measured alone
  bool trusted = false;                // the control kept its bound
};

// The number of calls that take a chunk's time on an idle machine. Warms up what the first call
// loads. Throws kInternal where calls take no time.
int64_t CallsPerChunk(const Contestant& contestant, const Protocol& protocol, Machine& machine);

// `first_call` numbers the block's first call; it is moved on by the calls that were made.
Block RunBlock(const Contestant& contestant, int64_t calls_per_chunk, int64_t& first_call,
               const Protocol& protocol, Machine& machine);

Alternation Alternate(const Contestant& a, const Contestant& b, const Protocol& protocol,
                      Machine& machine);

// `b` null: A alone.
Measurement Measure(const Contestant& a, const Contestant* b, const Protocol& protocol,
                    Machine& machine);

}  // namespace cadmus::timing
