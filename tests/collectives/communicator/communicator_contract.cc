// SPDX-License-Identifier: Apache-2.0
#include "tests/collectives/communicator/communicator_contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/collectives/communicator/contract_buffers.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

// Elements of a buffer or of a part: nothing, less than a rank each, odd, prime, around one chunk
// of the contract's workspace, and many chunks.
constexpr int64_t kSizes[] = {0, 1, 3, 167, 168, 1021, 5003};

template <class T>
T SumOfValues(int size, int64_t i) {
  T sum = 0;
  for (int rank = 0; rank < size; ++rank) sum += Value<T>(rank, i);
  return sum;
}

// Values whose sum depends on the order in which it is taken.
double OrderSensitive(int rank, int64_t i) {
  constexpr double kValues[] = {1e16, 1, -1e16, 3, 1e-3};
  return kValues[(rank + i) % 5];
}

template <class T>
void AllReduceSums(Communicator& world, Stream& stream) {
  for (int64_t count : kSizes) {
    Buffer<T> buffer(count, stream, [&](int64_t i) { return Value<T>(world.rank(), i); });
    world.AllReduce({.buffer = buffer.view(), .site = "sum"}, stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(buffer.Values(),
              Filled<T>(count, [&](int64_t i) { return SumOfValues<T>(world.size(), i); }))
        << count << " elements";
  }
}

void SumsAreInRankOrderAtEveryPosition(Communicator& world, Stream& stream) {
  const auto expected = [&](int64_t i) {
    double sum = OrderSensitive(0, i);
    for (int rank = 1; rank < world.size(); ++rank) sum += OrderSensitive(rank, i);
    return sum;
  };
  for (int64_t count : kSizes) {
    Buffer<double> buffer(count, stream,
                          [&](int64_t i) { return OrderSensitive(world.rank(), i); });
    world.AllReduce({.buffer = buffer.view(), .site = "ordered"}, stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(buffer.Values(), Filled<double>(count, expected)) << count << " elements";

    const int64_t whole = count * world.size();
    Buffer<double> input(whole, stream, [&](int64_t i) { return OrderSensitive(world.rank(), i); });
    Buffer<double> output(count, stream);
    world.ReduceScatter({.input = input.view(), .output = output.view(), .site = "ordered"},
                        stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(output.Values(),
              Filled<double>(count, [&](int64_t i) { return expected(world.rank() * count + i); }))
        << count << " elements a part";
  }
}

// The same elements summed one by one, in parts, in one call, and through another workspace.
void SumsDoNotDependOnSizeOrPosition(Communicator& world, Stream& stream) {
  constexpr int64_t kCount = 1500;
  CommunicatorOptions options = ContractOptions();
  options.workspace_bytes = 1 << 16;
  const std::unique_ptr<Communicator> roomy = world.MakeGroup(AllRanks(world), "roomy", options);
  std::mt19937_64 generator(static_cast<uint64_t>(world.rank()));
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> values;
  for (int64_t i = 0; i < kCount; ++i) values.push_back(distribution(generator));
  const auto value = [&](int64_t i) { return values[static_cast<size_t>(i)]; };

  Buffer<float> whole(kCount, stream, value);
  world.AllReduce({.buffer = whole.view(), .site = "whole"}, stream);
  Buffer<float> other(kCount, stream, value);
  roomy->AllReduce({.buffer = other.view(), .site = "other workspace"}, stream);
  Buffer<float> parts(kCount, stream, value);
  for (int64_t begin = 0, count = 1; begin < kCount; begin += count, count = 2 * count + 1) {
    const int64_t end = std::min(kCount, begin + count);
    world.AllReduce({.buffer = parts.view().Slice(0, begin, end), .site = "part"}, stream);
  }
  stream.Synchronize(kWait);
  EXPECT_EQ(other.Values(), whole.Values());
  EXPECT_EQ(parts.Values(), whole.Values());
}

template <class T>
void ReduceScatterSumsEachPart(Communicator& world, Stream& stream) {
  for (int64_t count : kSizes) {
    const auto input_value = [&](int64_t i) { return Value<T>(world.rank(), i); };
    const std::vector<T> expected = Filled<T>(
        count, [&](int64_t i) { return SumOfValues<T>(world.size(), world.rank() * count + i); });
    Buffer<T> input(count * world.size(), stream, input_value);
    Buffer<T> output(count, stream);
    world.ReduceScatter({.input = input.view(), .output = output.view(), .site = "apart"}, stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(output.Values(), expected) << count << " elements a part";

    const TensorView own = input.Part(world.rank(), count);
    world.ReduceScatter({.input = input.view(), .output = own, .site = "in place"}, stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(ValuesOf<T>(own, stream), expected) << count << " in place";
  }
}

template <class T>
void AllGatherCollectsParts(Communicator& world, Stream& stream) {
  for (int64_t count : kSizes) {
    const std::vector<T> expected = Filled<T>(count * world.size(), [&](int64_t i) {
      return Value<T>(static_cast<int>(i / count), i % count);
    });
    const auto own_value = [&](int64_t i) { return Value<T>(world.rank(), i); };
    Buffer<T> input(count, stream, own_value);
    Buffer<T> output(count * world.size(), stream);
    world.AllGather({.input = input.view(), .output = output.view(), .site = "apart"}, stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(output.Values(), expected) << count << " elements a part";

    Buffer<T> in_place(count * world.size(), stream, [&](int64_t i) {
      return i / std::max<int64_t>(1, count) == world.rank() ? own_value(i % count) : T(5);
    });
    world.AllGather({.input = in_place.Part(world.rank(), count),
                     .output = in_place.view(),
                     .site = "in place"},
                    stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(in_place.Values(), expected) << count << " in place";
  }
}

void AllToAllTransposesParts(Communicator& world, Stream& stream) {
  for (int64_t count : kSizes) {
    const auto value = [&](int from, int to, int64_t i) {
      return static_cast<int32_t>(1000000 * from + 10000 * to + i);
    };
    const int64_t whole = count * world.size();
    Buffer<int32_t> input(whole, stream, [&](int64_t i) {
      return value(world.rank(), static_cast<int>(i / count), i % count);
    });
    Buffer<int32_t> output(whole, stream);
    world.AllToAll({.input = input.view(), .output = output.view(), .site = "transpose"}, stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(output.Values(), Filled<int32_t>(whole,
                                               [&](int64_t i) {
                                                 return value(static_cast<int>(i / count),
                                                              world.rank(), i % count);
                                               }))
        << count << " elements a part";
  }
}

void AllToAllUnevenMovesCounts(Communicator& world, Stream& stream) {
  // Rank 0 gives rank 1 nothing; the last rank takes nothing from anyone but itself.
  const auto count = [&](int from, int to, int scale) -> int64_t {
    if (from == 0 && to == 1) return 0;
    if (to == world.size() - 1 && from != to) return 0;
    return scale * ((3 * from + 5 * to) % 7);
  };
  for (int scale : {0, 1, 101}) {
    std::vector<int64_t> input_counts, output_counts;
    std::vector<double> given, expected;
    for (int peer = 0; peer < world.size(); ++peer) {
      input_counts.push_back(count(world.rank(), peer, scale));
      output_counts.push_back(count(peer, world.rank(), scale));
      for (int64_t i = 0; i < input_counts.back(); ++i) {
        given.push_back(100000.0 * world.rank() + 1000.0 * peer + static_cast<double>(i));
      }
      for (int64_t i = 0; i < output_counts.back(); ++i) {
        expected.push_back(100000.0 * peer + 1000.0 * world.rank() + static_cast<double>(i));
      }
    }
    Buffer<double> input(static_cast<int64_t>(given.size()), stream,
                         [&](int64_t i) { return given[static_cast<size_t>(i)]; });
    Buffer<double> output(static_cast<int64_t>(expected.size()), stream);
    world.AllToAllUneven({.input = input.view(),
                          .input_counts = input_counts,
                          .output = output.view(),
                          .output_counts = output_counts,
                          .site = "uneven"},
                         stream);
    // The counts are the caller's again once the call has been issued.
    std::fill(input_counts.begin(), input_counts.end(), -1);
    std::fill(output_counts.begin(), output_counts.end(), -1);
    stream.Synchronize(kWait);
    EXPECT_EQ(output.Values(), expected) << "scale " << scale;
  }
}

void BroadcastReachesAllFromEveryRoot(Communicator& world, Stream& stream) {
  for (int root = 0; root < world.size(); ++root) {
    for (int64_t count : kSizes) {
      Buffer<uint8_t> buffer(count, stream, [&](int64_t i) {
        return static_cast<uint8_t>(world.rank() == root ? 3 * i + root : 0);
      });
      world.Broadcast({.buffer = buffer.view(), .root = root, .site = "broadcast"}, stream);
      stream.Synchronize(kWait);
      EXPECT_EQ(
          buffer.Values(),
          Filled<uint8_t>(count, [&](int64_t i) { return static_cast<uint8_t>(3 * i + root); }))
          << count << " elements from rank " << root;
    }
  }
}

void BarrierPasses(Communicator& world, Stream& stream) {
  for (int i = 0; i < 20; ++i) world.Barrier("again", stream);
  stream.Synchronize(kWait);
}

void SendsAndReceivesFormAChain(Communicator& world, Stream& stream) {
  for (int64_t count : kSizes) {
    Buffer<float> buffer(count, stream, [](int64_t i) { return Value<float>(0, i); });
    if (world.rank() > 0) {
      world.Receive({.buffer = buffer.view(), .peer = world.rank() - 1, .site = "down"}, stream);
    }
    std::vector<float> values = buffer.Values();
    for (float& value : values) value += world.rank() > 0 ? 1 : 0;
    buffer.Set(values);
    if (world.rank() + 1 < world.size()) {
      world.Send({.buffer = buffer.view(), .peer = world.rank() + 1, .site = "down"}, stream);
    }
    stream.Synchronize(kWait);
    EXPECT_EQ(buffer.Values(), Filled<float>(count, [&](int64_t i) {
                return Value<float>(0, i) + static_cast<float>(world.rank());
              }));
  }
}

// Also with one rank, which sends to itself.
void GroupedSendsAndReceivesFormARing(Communicator& world, Stream& stream) {
  const int next = (world.rank() + 1) % world.size();
  const int previous = (world.rank() + world.size() - 1) % world.size();
  for (int64_t count : kSizes) {
    Buffer<double> first(count, stream, [&](int64_t i) { return Value<double>(world.rank(), i); });
    Buffer<double> second(count + 1, stream,
                          [&](int64_t i) { return -Value<double>(world.rank(), i); });
    Buffer<double> from_previous(count, stream);
    Buffer<double> from_previous_too(count + 1, stream);
    {
      Group group(world);
      world.Send({.buffer = first.view(), .peer = next, .site = "first"}, stream);
      world.Send({.buffer = second.view(), .peer = next, .site = "second"}, stream);
      world.Receive({.buffer = from_previous.view(), .peer = previous, .site = "first"}, stream);
      world.Receive({.buffer = from_previous_too.view(), .peer = previous, .site = "second"},
                    stream);
    }
    stream.Synchronize(kWait);
    EXPECT_EQ(from_previous.Values(),
              Filled<double>(count, [&](int64_t i) { return Value<double>(previous, i); }));
    EXPECT_EQ(from_previous_too.Values(),
              Filled<double>(count + 1, [&](int64_t i) { return -Value<double>(previous, i); }));
  }
  { Group nothing(world); }
}

// A grouped send ends although the same group's receive still waits: rank 1 answers rank 0 only
// after it has heard from it.
void GroupedSendDoesNotWaitForReceive(Communicator& world, Stream& stream) {
  if (world.size() < 2 || world.rank() > 1) return;
  constexpr int64_t kCount = 100000;
  Buffer<double> there(kCount, stream, [](int64_t i) { return static_cast<double>(i); });
  Buffer<double> back(kCount, stream);
  if (world.rank() == 0) {
    Group group(world);
    world.Receive({.buffer = back.view(), .peer = 1, .site = "back"}, stream);
    world.Send({.buffer = there.view(), .peer = 1, .site = "there"}, stream);
  } else {
    world.Receive({.buffer = back.view(), .peer = 0, .site = "there"}, stream);
    world.Send({.buffer = back.view(), .peer = 0, .site = "back"}, stream);
  }
  stream.Synchronize(kWait);
  EXPECT_EQ(back.Values(), there.Values());
}

void GroupsOfSomeRanksWorkAlone(Communicator& world, Stream& stream) {
  // Even and odd ranks, each backwards.
  std::vector<int> members;
  for (int rank = world.size() - 1; rank >= 0; --rank) {
    if (rank % 2 == world.rank() % 2) members.push_back(rank);
  }
  const std::unique_ptr<Communicator> half = world.MakeGroup(members, "half");
  EXPECT_EQ(half->name(), "half");
  EXPECT_EQ(half->size(), static_cast<int>(members.size()));
  EXPECT_EQ(members[static_cast<size_t>(half->rank())], world.rank());
  EXPECT_EQ(half->options().workspace_bytes, world.options().workspace_bytes);
  Buffer<int32_t> own(1, stream, [&](int64_t) { return world.rank(); });
  Buffer<int32_t> all(half->size(), stream);
  half->AllGather({.input = own.view(), .output = all.view(), .site = "who"}, stream);
  stream.Synchronize(kWait);
  EXPECT_EQ(all.Values(), std::vector<int32_t>(members.begin(), members.end()));

  // A group of a group, of this rank alone; and calls of all groups in turn.
  const int self[] = {half->rank()};
  const std::unique_ptr<Communicator> alone = half->MakeGroup(self, "alone");
  EXPECT_EQ(alone->size(), 1);
  for (Communicator* group : {alone.get(), &world, half.get(), &world}) {
    Buffer<double> ones(1000, stream, [](int64_t) { return 1.0; });
    group->AllReduce({.buffer = ones.view(), .site = "ones"}, stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(ones.Values(), std::vector<double>(1000, group->size()));
  }
}

void ManyCallsMayBeIssuedAtOnce(Communicator& world, Stream& stream) {
  constexpr int kCalls = 300;
  Buffer<double> buffer(kCalls, stream, [&](int64_t i) { return Value<double>(world.rank(), i); });
  for (int i = 0; i < kCalls; ++i) {
    world.AllReduce({.buffer = buffer.view().Slice(0, i, i + 1), .site = "one of many"}, stream);
  }
  stream.Synchronize(kWait);
  EXPECT_EQ(buffer.Values(), Filled<double>(kCalls, [&](int64_t i) {
              return SumOfValues<double>(world.size(), i);
            }));
}

void CallsOfTwoStreamsRunInIssueOrder(Communicator& world, Stream& stream) {
  const std::unique_ptr<Stream> other =
      world.device().NewStream(StreamKind::kCommunication, "other");
  constexpr int kCalls = 20;
  Buffer<double> a(kCalls, stream, [](int64_t) { return 1.0; });
  Buffer<double> b(kCalls, *other, [](int64_t) { return 2.0; });
  for (int i = 0; i < kCalls; ++i) {
    world.AllReduce({.buffer = a.view().Slice(0, i, i + 1), .site = "a"}, stream);
    world.AllReduce({.buffer = b.view().Slice(0, i, i + 1), .site = "b"}, *other);
  }
  stream.Synchronize(kWait);
  other->Synchronize(kWait);
  EXPECT_EQ(a.Values(), std::vector<double>(kCalls, 1.0 * world.size()));
  EXPECT_EQ(b.Values(), std::vector<double>(kCalls, 2.0 * world.size()));
}

void WrongArgumentsThrowAtTheCall(Communicator& world, Stream& stream) {
  Buffer<double> buffer(2 * world.size() + 1, stream);
  Buffer<int32_t> integers(4, stream);
  const auto throws = [](const auto& call, const char* text) {
    try {
      call();
      ADD_FAILURE() << "no error: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kInternal);
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  };
  throws([&] { world.AllReduce({.buffer = integers.view()}, stream); },
         "sums are of F64, F32 and BF16");
  throws([&] { world.AllReduce({.buffer = TensorView()}, stream); }, "must be present");
  throws([&] { world.Broadcast({.buffer = buffer.view(), .root = world.size()}, stream); }, "root");
  throws([&] { world.Send({.buffer = buffer.view(), .peer = world.rank()}, stream); }, "to rank");
  throws([&] { world.AllToAll({.input = buffer.view(), .output = buffer.view()}, stream); },
         world.size() == 1 ? "overlap" : "equal parts");
  throws(
      [&] {
        Group group(world);
        world.Barrier("inside", stream);
      },
      "inside a Group");
  world.Barrier("still in order", stream);
  stream.Synchronize(kWait);
}

// The last rank differs; all ranks fail at once, and refuse later calls in the same words.
template <class Call>
void ExpectMismatchNamed(Communicator& world, Stream& stream, const Call& call,
                         const std::vector<std::string>& texts) {
  if (world.size() == 1) return;
  const std::unique_ptr<Communicator> group = world.MakeGroup(AllRanks(world), "disagreeing");
  const bool differs = world.rank() == world.size() - 1;
  const auto begin = std::chrono::steady_clock::now();
  const std::string message =
      FailureOf(*group, stream, [&](Stream& s) { call(*group, s, differs); });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, ContractOptions().limit / 2);
  EXPECT_THAT(message, HasSubstr("group disagreeing"));
  for (const std::string& text : texts) EXPECT_THAT(message, HasSubstr(text));
  EXPECT_EQ(FailureOf(*group, stream, [&](Stream& s) { group->Barrier("later", s); }), message);
  world.Barrier("other groups go on", stream);
  stream.Synchronize(kWait);
}

void DifferentOperationsAreNamed(Communicator& world, Stream& stream) {
  Buffer<double> buffer(world.size(), stream);
  ExpectMismatchNamed(world, stream,
                      [&](Communicator& group, Stream& s, bool differs) {
                        if (differs) {
                          group.Barrier("evaluation", s);
                        } else {
                          group.AllReduce({.buffer = buffer.view(), .site = "gradients"}, s);
                        }
                      },
                      {"all-reduce #0 'gradients'", "barrier #0 'evaluation'"});
}

void DifferentSizesAreNamed(Communicator& world, Stream& stream) {
  Buffer<double> buffer(4096, stream);
  ExpectMismatchNamed(
      world, stream,
      [&](Communicator& group, Stream& s, bool differs) {
        group.AllReduce({.buffer = buffer.view().Slice(0, 0, differs ? 3072 : 4096), .site = "g"},
                        s);
      },
      {"32.0 KiB of F64", "24.0 KiB of F64", "same sizes"});
}

void DifferentDtypesAreNamed(Communicator& world, Stream& stream) {
  Buffer<double> wide(8, stream);
  Buffer<float> narrow(16, stream);
  ExpectMismatchNamed(world, stream,
                      [&](Communicator& group, Stream& s, bool differs) {
                        group.AllReduce(
                            {.buffer = differs ? narrow.view() : wide.view(), .site = "g"}, s);
                      },
                      {"F64", "F32"});
}

void DifferentRootsAreNamed(Communicator& world, Stream& stream) {
  if (world.size() != 2) return;  // with more, some ranks only wait for a root that does not send
  Buffer<double> buffer(8, stream);
  const std::unique_ptr<Communicator> group = world.MakeGroup(
      AllRanks(world), "roots", {.limit = std::chrono::milliseconds(300), .workspace_bytes = 4096});
  // Both send, or both receive: named by the limit.
  EXPECT_THAT(FailureOf(*group, stream,
                        [&](Stream& s) {
                          group->Broadcast({.buffer = buffer.view(), .root = 1 - world.rank()}, s);
                        }),
              HasSubstr("for rank"));
  world.Barrier("other groups go on", stream);
  stream.Synchronize(kWait);
}

void UnevenCountsThatDisagreeAreNamed(Communicator& world, Stream& stream) {
  if (world.size() != 2) return;
  const std::unique_ptr<Communicator> group = world.MakeGroup(AllRanks(world), "uneven");
  const std::vector<int64_t> input_counts = {1, 1};
  // Rank 1 expects more of rank 0 than that gives.
  const std::vector<int64_t> output_counts = {1 + world.rank(), 1};
  Buffer<double> input(2, stream);
  Buffer<double> output(2 + world.rank(), stream);
  if (world.rank() == 1) {
    EXPECT_THAT(FailureOf(*group, stream,
                          [&](Stream& s) {
                            group->AllToAllUneven({.input = input.view(),
                                                   .input_counts = input_counts,
                                                   .output = output.view(),
                                                   .output_counts = output_counts,
                                                   .site = "tokens"},
                                                  s);
                          }),
                HasSubstr("(16 bytes of F64) from rank 0, which is in uneven all-to-all #0 "
                          "'tokens' (8 bytes of F64)"));
  } else {
    group->AllToAllUneven({.input = input.view(),
                           .input_counts = input_counts,
                           .output = output.view(),
                           .output_counts = output_counts,
                           .site = "tokens"},
                          stream);
  }
  world.Barrier("other groups go on", stream);
  stream.Synchronize(kWait);
}

void ARankThatStopsAnsweringIsNamedWithinTwoLimits(Communicator& world, Stream& stream) {
  if (world.size() == 1) return;
  constexpr std::chrono::milliseconds kLimit(500);
  const std::unique_ptr<Communicator> group =
      world.MakeGroup(AllRanks(world), "waiting", {.limit = kLimit, .workspace_bytes = 4096});
  Buffer<double> buffer(5000, stream);
  // It stops between two operations.
  group->AllReduce({.buffer = buffer.view(), .site = "before"}, stream);
  stream.Synchronize(kWait);
  if (world.rank() != world.size() - 1) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string message = FailureOf(*group, stream, [&](Stream& s) {
      group->AllReduce({.buffer = buffer.view(), .site = "gradients bucket 3"}, s);
    });
    const auto taken = std::chrono::steady_clock::now() - begin;
    EXPECT_GE(taken, kLimit);
    EXPECT_LE(taken, 2 * kLimit);
    EXPECT_THAT(message, HasSubstr(StrCat("group waiting (", world.size(),
                                          " ranks), all-reduce #1 'gradients bucket 3' (39.1 KiB "
                                          "of F64): rank ",
                                          world.rank(), " has waited ")));
    EXPECT_THAT(message, HasSubstr(StrCat(" for rank ", world.size() - 1, "; it may be stopped")));
  }
  world.Barrier("other groups go on", stream);
  stream.Synchronize(kWait);
}

constexpr ContractCase kCases[] = {
    {"AllReduceSumsF64", AllReduceSums<double>},
    {"AllReduceSumsF32", AllReduceSums<float>},
    {"SumsAreInRankOrderAtEveryPosition", SumsAreInRankOrderAtEveryPosition, Promise::kRankOrder},
    {"SumsDoNotDependOnSizeOrPosition", SumsDoNotDependOnSizeOrPosition, Promise::kRankOrder},
    {"ReduceScatterSumsEachPartF64", ReduceScatterSumsEachPart<double>},
    {"ReduceScatterSumsEachPartF32", ReduceScatterSumsEachPart<float>},
    {"AllGatherCollectsPartsF64", AllGatherCollectsParts<double>},
    {"AllGatherCollectsPartsU16", AllGatherCollectsParts<uint16_t>},
    {"AllToAllTransposesParts", AllToAllTransposesParts},
    {"AllToAllUnevenMovesCounts", AllToAllUnevenMovesCounts},
    {"BroadcastReachesAllFromEveryRoot", BroadcastReachesAllFromEveryRoot},
    {"BarrierPasses", BarrierPasses},
    {"SendsAndReceivesFormAChain", SendsAndReceivesFormAChain},
    {"GroupedSendsAndReceivesFormARing", GroupedSendsAndReceivesFormARing},
    {"GroupedSendDoesNotWaitForReceive", GroupedSendDoesNotWaitForReceive},
    {"GroupsOfSomeRanksWorkAlone", GroupsOfSomeRanksWorkAlone},
    {"ManyCallsMayBeIssuedAtOnce", ManyCallsMayBeIssuedAtOnce},
    {"CallsOfTwoStreamsRunInIssueOrder", CallsOfTwoStreamsRunInIssueOrder},
    {"WrongArgumentsThrowAtTheCall", WrongArgumentsThrowAtTheCall},
    {"DifferentOperationsAreNamed", DifferentOperationsAreNamed, Promise::kDisagreementIsNamed},
    {"DifferentSizesAreNamed", DifferentSizesAreNamed, Promise::kDisagreementIsNamed},
    {"DifferentDtypesAreNamed", DifferentDtypesAreNamed, Promise::kDisagreementIsNamed},
    {"DifferentRootsAreNamed", DifferentRootsAreNamed, Promise::kDisagreementIsNamed},
    {"UnevenCountsThatDisagreeAreNamed", UnevenCountsThatDisagreeAreNamed,
     Promise::kDisagreementIsNamed},
    {"ARankThatStopsAnsweringIsNamedWithinTwoLimits",
     ARankThatStopsAnsweringIsNamedWithinTwoLimits},
};

}  // namespace

std::span<const ContractCase> ContractCases() { return kCases; }

}  // namespace cadmus
