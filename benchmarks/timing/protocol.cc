// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/timing/protocol.h"

#include <array>
#include <cmath>

#include "kernels/base/error.h"

namespace cadmus::timing {
namespace {

// A contestant in its role, and how far it has come.
struct Player {
  const Contestant& contestant;
  int64_t calls_per_chunk;
  int64_t next_call = 0;
  std::vector<double> seconds_per_call = {};
};

void EnqueueChunk(const Contestant& contestant, int64_t calls, int64_t& next_call) {
  for (int64_t i = 0; i < calls; ++i) contestant.enqueue(next_call++);
}

}  // namespace

int64_t CallsPerChunk(const Contestant& contestant, const Protocol& protocol, Machine& machine) {
  constexpr int64_t kMostCalls = int64_t{1} << 24;
  int64_t next_call = 0;
  const auto seconds_of = [&](int64_t calls) {
    const double start = machine.Seconds();
    EnqueueChunk(contestant, calls, next_call);
    machine.Mark(0);
    machine.Await(0);
    return machine.Seconds() - start;
  };
  seconds_of(1);  // loads what it needs
  for (int64_t calls = 1; calls <= kMostCalls; calls *= 2) {
    if (seconds_of(calls) >= protocol.chunk_seconds) return calls;
  }
  throw Error(Kind::kInternal, StrCat(contestant.name, ": ", kMostCalls, " calls took no time"));
}

Block RunBlock(const Contestant& contestant, int64_t calls_per_chunk, int64_t& first_call,
               const Protocol& protocol, Machine& machine) {
  Block block;
  const double start = machine.Seconds();
  EnqueueChunk(contestant, calls_per_chunk, first_call);
  machine.Mark(0);
  std::optional<double> counted_from;  // the end of the last chunk that is dropped
  for (int mark = 0;; mark = 1 - mark) {
    EnqueueChunk(contestant, calls_per_chunk, first_call);
    machine.Mark(1 - mark);
    machine.Await(mark);
    const double now = machine.Seconds();
    if (counted_from) {
      block.calls += calls_per_chunk;
      block.seconds_per_call = (now - *counted_from) / static_cast<double>(block.calls);
      if (now - start >= protocol.block_seconds) {
        block.reading = machine.Read();  // while the last chunk, which does not count, still runs
        machine.Await(1 - mark);
        return block;
      }
    } else if (now - start >= protocol.dropped_seconds) {
      counted_from = now;
    }
  }
}

Alternation Alternate(const Contestant& a, const Contestant& b, const Protocol& protocol,
                      Machine& machine) {
  CADMUS_CHECK(protocol.blocks_per_side > 0 && protocol.blocks_per_side % 2 == 0,
               StrCat(protocol.blocks_per_side, " blocks per side"));
  std::array<Player, 2> players = {Player{a, CallsPerChunk(a, protocol, machine)},
                                   Player{b, CallsPerChunk(b, protocol, machine)}};
  Alternation result;
  std::vector<double> pair_ratios;
  for (int pair = 0; pair < protocol.blocks_per_side; ++pair) {
    const auto order =
        pair % 2 == 0 ? std::array{Side::kA, Side::kB} : std::array{Side::kB, Side::kA};
    for (const Side side : order) {
      Player& player = players[static_cast<size_t>(side)];
      Block block =
          RunBlock(player.contestant, player.calls_per_chunk, player.next_call, protocol, machine);
      block.side = side;
      player.seconds_per_call.push_back(block.seconds_per_call);
      result.blocks.push_back(std::move(block));
    }
    pair_ratios.push_back(players[0].seconds_per_call.back() / players[1].seconds_per_call.back());
  }
  result.a = Summarise(players[0].seconds_per_call);
  result.b = Summarise(players[1].seconds_per_call);
  result.ratio = result.a.median / result.b.median;
  result.pair_ratios = Summarise(pair_ratios);
  return result;
}

Measurement Measure(const Contestant& a, const Contestant* b, const Protocol& protocol,
                    Machine& machine) {
  Measurement result;
  result.control = Alternate(a, a, protocol, machine);
  result.trusted = std::abs(result.control.ratio - 1) < protocol.control_bound;
  if (b != nullptr) result.contest = Alternate(a, *b, protocol, machine);
  return result;
}

}  // namespace cadmus::timing
