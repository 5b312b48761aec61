// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "tests/collectives/communicator/communicator_contract.h"
#include "tests/collectives/communicator/contract_buffers.h"

namespace cadmus {
namespace {

using ::testing::HasSubstr;

// Far more than any transport takes before the receiver has asked for it.
constexpr int64_t kLarge = 1 << 18;
constexpr int64_t kSizes[] = {0, 1, 5003, kLarge};

std::unique_ptr<Stream> NewStream(const Communicator& world, const char* name) {
  return world.device().NewStream(StreamKind::kCommunication, name);
}

std::vector<double> ValuesOf(int rank, int64_t count) {
  return Filled<double>(count, [&](int64_t i) { return Value<double>(rank, i); });
}

// Each of two ranks sends twice on one stream before it receives.
void SendsMayCrossWithoutAGroup(Communicator& world, Stream&) {
  if (world.rank() > 1) return;
  const int peer = 1 - world.rank();
  const auto sending = NewStream(world, "sending"), receiving = NewStream(world, "receiving");
  for (int64_t count : kSizes) {
    Buffer<double> sent(count, *sending, [&](int64_t i) { return Value<double>(world.rank(), i); });
    Buffer<double> first(count, *receiving), second(count, *receiving);
    world.Send({.buffer = sent.view(), .peer = peer, .site = "crossing"}, *sending);
    world.Send({.buffer = sent.view(), .peer = peer, .site = "crossing"}, *sending);
    world.Receive({.buffer = first.view(), .peer = peer, .site = "crossing"}, *receiving);
    world.Receive({.buffer = second.view(), .peer = peer, .site = "crossing"}, *receiving);
    receiving->Synchronize(kWait);
    sending->Synchronize(kWait);
    EXPECT_EQ(first.Values(), ValuesOf(peer, count));
    EXPECT_EQ(second.Values(), ValuesOf(peer, count));
  }
}

// The peer takes the message only after collectives of the same and of another group.
void ASendLetsLaterCollectivesPass(Communicator& world, Stream& stream) {
  const auto group = world.MakeGroup(AllRanks(world), "other");
  const auto sending = NewStream(world, "sending");
  for (int64_t count : kSizes) {
    Buffer<double> message(count, *sending, [](int64_t i) { return Value<double>(0, i); });
    Buffer<double> sum(7, stream, [](int64_t) { return 1.0; });
    if (world.rank() == 0) {
      world.Send({.buffer = message.view(), .peer = 1, .site = "early"}, *sending);
    }
    world.AllReduce({.buffer = sum.view(), .site = "between"}, stream);
    group->Barrier("between", stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(sum.Values(), std::vector<double>(7, world.size()));
    if (world.rank() == 1) {
      Buffer<double> received(count, stream);
      world.Receive({.buffer = received.view(), .peer = 0, .site = "late"}, stream);
      stream.Synchronize(kWait);
      EXPECT_EQ(received.Values(), ValuesOf(0, count));
    }
    sending->Synchronize(kWait);
  }
}

// The second send has not even been reached by its stream when others must pass it.
void SendsOfOneStreamDoNotHoldTheOthers(Communicator& world, Stream& stream) {
  const auto activations = world.MakeGroup(AllRanks(world), "activations");
  const auto gradients = world.MakeGroup(AllRanks(world), "gradients");
  const auto first = NewStream(world, "first"), second = NewStream(world, "second");
  Buffer<double> a(kLarge, *first, [](int64_t i) { return Value<double>(5, i); });
  Buffer<double> b(kLarge, *first, [](int64_t i) { return Value<double>(6, i); });
  Buffer<double> c(kLarge, *second, [](int64_t i) { return Value<double>(7, i); });
  if (world.rank() == 0) {
    activations->Send({.buffer = a.view(), .peer = 1, .site = "a"}, *first);
    activations->Send({.buffer = b.view(), .peer = 1, .site = "b"}, *first);
    gradients->Send({.buffer = c.view(), .peer = 1, .site = "c"}, *second);
  }
  world.Barrier("all are sent", stream);
  if (world.rank() == 1) {
    Buffer<double> received(kLarge, stream);
    const auto expect = [&](Communicator& group, int from) {
      group.Receive({.buffer = received.view(), .peer = 0, .site = "late"}, stream);
      stream.Synchronize(kWait);
      EXPECT_EQ(received.Values(), ValuesOf(from, kLarge));
    };
    expect(*gradients, 7);
    expect(*activations, 5);
    expect(*activations, 6);
  }
  first->Synchronize(kWait);
  second->Synchronize(kWait);
  world.Barrier("all are taken", stream);
  stream.Synchronize(kWait);
}

// Issued to two streams in turn, alone or with others in a Group.
void MessagesToAPeerArriveInTheOrderOfIssue(Communicator& world, Stream& stream) {
  if (world.rank() > 1) return;
  constexpr int kMessages = 100;
  const auto size = [](int message) { return kSizes[message % 3]; };
  const auto value = [](int message, int64_t i) { return Value<double>(message, i); };
  const std::unique_ptr<Stream> streams[] = {NewStream(world, "even"), NewStream(world, "odd")};
  std::vector<std::unique_ptr<Buffer<double>>> buffers;
  for (int m = 0; m < kMessages; ++m) {
    buffers.push_back(std::make_unique<Buffer<double>>(
        size(m), stream, [&](int64_t i) { return world.rank() == 0 ? value(m, i) : -1; }));
  }
  for (int m = 0; m < kMessages; ++m) {
    Stream& its_stream = world.rank() == 0 ? *streams[m % 2] : stream;
    const TensorView& view = buffers[static_cast<size_t>(m)]->view();
    if (world.rank() == 1) {
      world.Receive({.buffer = view, .peer = 0, .site = "in order"}, its_stream);
    } else if (m % 10 != 9) {
      world.Send({.buffer = view, .peer = 1, .site = "in order"}, its_stream);
    } else {
      const TensorView& next = buffers[static_cast<size_t>(++m % kMessages)]->view();
      Group group(world);
      world.Send({.buffer = view, .peer = 1, .site = "in order"}, its_stream);
      if (m < kMessages) world.Send({.buffer = next, .peer = 1, .site = "in order"}, its_stream);
    }
  }
  for (const auto& its_stream : streams) its_stream->Synchronize(kWait);
  stream.Synchronize(kWait);
  for (int m = 0; m < kMessages; ++m) {
    EXPECT_EQ(buffers[static_cast<size_t>(m)]->Values(),
              Filled<double>(size(m), [&](int64_t i) { return value(m, i); }))
        << "message " << m;
  }
}

// Two stages of two tensor-parallel ranks: one forward and one backward in turn behind a warm-up,
// sums among the ranks of a stage before every message, three streams.
void StagesExchangeActivationsAndGradients(Communicator& world, Stream& compute) {
  if (world.size() != 4) return;
  constexpr int kMicroBatches = 8;
  constexpr int kWarmUp = 3;
  const bool is_first = world.rank() < 2;
  const int tp_members[] = {is_first ? 0 : 2, is_first ? 1 : 3};
  const int pp_members[] = {world.rank() % 2, world.rank() % 2 + 2};
  const auto tp = world.MakeGroup(tp_members, "tp");
  const auto activations = world.MakeGroup(pp_members, "pp activations");
  const auto gradients = world.MakeGroup(pp_members, "pp gradients");
  const auto sending = NewStream(world, "sending"), receiving = NewStream(world, "receiving");
  const auto sent_event = world.device().NewEvent();
  std::vector<std::unique_ptr<Buffer<double>>> out, in;
  for (int m = 0; m < kMicroBatches; ++m) {
    const double value = is_first ? m : 1000 + m;
    out.push_back(
        std::make_unique<Buffer<double>>(kLarge / 8, compute, [&](int64_t) { return value; }));
    in.push_back(std::make_unique<Buffer<double>>(kLarge / 8, compute));
  }
  const auto give = [&](Communicator& group, int m) {
    Buffer<double>& buffer = *out[static_cast<size_t>(m)];
    tp->AllReduce({.buffer = buffer.view(), .site = "layer"}, compute);
    compute.Record(*sent_event);
    sending->Wait(*sent_event);
    group.Send({.buffer = buffer.view(), .peer = 1 - group.rank(), .site = "step"}, *sending);
  };
  const auto take = [&](Communicator& group, int m) {
    Buffer<double>& buffer = *in[static_cast<size_t>(m)];
    group.Receive({.buffer = buffer.view(), .peer = 1 - group.rank(), .site = "step"}, *receiving);
    receiving->Synchronize(kWait);
    tp->Barrier("layer", compute);
  };
  for (int m = 0; m < kMicroBatches + kWarmUp; ++m) {
    if (is_first) {
      if (m < kMicroBatches) give(*activations, m);
      if (m >= kWarmUp) take(*gradients, m - kWarmUp);
    } else if (m < kMicroBatches) {
      take(*activations, m);
      give(*gradients, m);
    }
  }
  sending->Synchronize(kWait);
  for (int m = 0; m < kMicroBatches; ++m) {
    EXPECT_EQ(in[static_cast<size_t>(m)]->Values(),
              std::vector<double>(kLarge / 8, 2 * (is_first ? 1000 + m : m)));
  }
}

// While the rank is in a call of another group, which goes on, as do its other sends.
void ASendThatNobodyTakesExpiresAlone(Communicator& world, Stream& stream) {
  constexpr std::chrono::milliseconds kLimit(300);
  const auto group =
      world.MakeGroup(AllRanks(world), "pp", {.limit = kLimit, .workspace_bytes = 4096});
  const auto failing = NewStream(world, "failing"), sending = NewStream(world, "sending");
  Buffer<double> lost(kLarge, stream);
  Buffer<double> message(kLarge, stream, [&](int64_t i) { return Value<double>(world.rank(), i); });
  const auto begin = std::chrono::steady_clock::now();
  if (world.rank() == 0) {
    group->Send({.buffer = lost.view(), .peer = 1, .site = "activations"}, *failing);
    world.Send({.buffer = message.view(), .peer = 1, .site = "other"}, *sending);
  } else {
    std::this_thread::sleep_for(2 * kLimit);
  }
  world.Barrier("nobody has taken it", stream);
  stream.Synchronize(kWait);
  if (world.rank() == 1) {
    world.Receive({.buffer = message.view(), .peer = 0, .site = "other"}, stream);
    stream.Synchronize(kWait);
    EXPECT_EQ(message.Values(), ValuesOf(0, kLarge));
  }
  if (world.rank() == 0) {
    sending->Synchronize(kWait);
    try {
      failing->Synchronize(kWait);
      ADD_FAILURE() << "the send has not expired";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kCommunication);
      EXPECT_THAT(error.message(), HasSubstr(StrCat("group pp (", world.size(),
                                                    " ranks), send #0 'activations' (2.0 MiB of "
                                                    "F64): rank 0 has waited ")));
      EXPECT_THAT(error.message(), HasSubstr(" for rank 1; it may be stopped"));
      EXPECT_EQ(FailureOf(*group, *failing, [&](Stream& s) { group->Barrier("later", s); }),
                error.message());
    }
    EXPECT_GE(std::chrono::steady_clock::now() - begin, kLimit);
  }
  world.Barrier("other groups go on", stream);
  stream.Synchronize(kWait);
}

// With nothing else to do.
void ASendExpiresInTheBackground(Communicator& world, Stream& stream) {
  constexpr std::chrono::milliseconds kLimit(400);
  const auto group =
      world.MakeGroup(AllRanks(world), "pp", {.limit = kLimit, .workspace_bytes = 4096});
  Buffer<double> lost(kLarge, stream);
  if (world.rank() == 0) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THAT(FailureOf(*group, *NewStream(world, "like"),
                          [&](Stream& s) {
                            group->Send({.buffer = lost.view(), .peer = 1, .site = "lost"}, s);
                          }),
                HasSubstr("send #0 'lost'"));
    EXPECT_LE(std::chrono::steady_clock::now() - begin, 2 * kLimit);
  }
  world.Barrier("other groups go on", stream);
  stream.Synchronize(kWait);
}

// Behind a message that is lost a later one could be taken for it.
void AGroupThatFailsEndsItsSends(Communicator& world, Stream& stream) {
  const auto group = world.MakeGroup(AllRanks(world), "disagreeing");
  const auto sending = NewStream(world, "sending");
  Buffer<double> lost(kLarge, stream), sum(1, stream);
  if (world.rank() == 0) {
    group->Send({.buffer = lost.view(), .peer = 1, .site = "lost"}, *sending);
  }
  const std::string message = FailureOf(*group, stream, [&](Stream& s) {
    if (world.rank() == 0) {
      group->Barrier("step", s);
    } else {
      group->AllReduce({.buffer = sum.view(), .site = "step"}, s);
    }
  });
  EXPECT_THAT(message, HasSubstr("barrier #0 'step'"));
  try {
    sending->Synchronize(ContractOptions().limit / 2);
    EXPECT_NE(world.rank(), 0) << "the send has not failed";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), message);
  }
  world.Barrier("other groups go on", stream);
  stream.Synchronize(kWait);
}

void TheEndOfAGroupWaitsForItsSends(Communicator& world, Stream& stream) {
  const auto sending = NewStream(world, "sending");
  Buffer<double> message(kLarge, stream, [&](int64_t i) { return Value<double>(world.rank(), i); });
  {
    const auto group = world.MakeGroup(AllRanks(world), "pp");
    if (world.rank() == 0) {
      group->Send({.buffer = message.view(), .peer = 1, .site = "last"}, *sending);
    }
    world.Barrier("sent", stream);
    if (world.rank() == 1) {
      group->Receive({.buffer = message.view(), .peer = 0, .site = "last"}, stream);
      stream.Synchronize(kWait);
      EXPECT_EQ(message.Values(), ValuesOf(0, kLarge));
    }
  }
  sending->Synchronize(std::chrono::milliseconds(1000));
}

constexpr ContractCase kCases[] = {
    {"SendsMayCrossWithoutAGroup", SendsMayCrossWithoutAGroup},
    {"ASendLetsLaterCollectivesPass", ASendLetsLaterCollectivesPass},
    {"SendsOfOneStreamDoNotHoldTheOthers", SendsOfOneStreamDoNotHoldTheOthers},
    {"MessagesToAPeerArriveInTheOrderOfIssue", MessagesToAPeerArriveInTheOrderOfIssue},
    {"StagesExchangeActivationsAndGradients", StagesExchangeActivationsAndGradients},
    {"ASendThatNobodyTakesExpiresAlone", ASendThatNobodyTakesExpiresAlone},
    {"ASendExpiresInTheBackground", ASendExpiresInTheBackground},
    {"AGroupThatFailsEndsItsSends", AGroupThatFailsEndsItsSends},
    {"TheEndOfAGroupWaitsForItsSends", TheEndOfAGroupWaitsForItsSends},
};

}  // namespace

std::span<const ContractCase> SendContractCases() { return kCases; }

}  // namespace cadmus
