// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/exchange_steps.h"

#include <algorithm>
#include <cstring>

#include "kernels/device/tensor.h"

namespace cadmus {
namespace {

class Writer {
 public:
  template <class T>
  void Value(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto* begin = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), begin, begin + sizeof(T));
  }
  template <class Range>
  void Values(const Range& values) {
    Value(static_cast<int64_t>(std::size(values)));
    for (const auto& value : values) Value(value);
  }

  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  explicit Reader(const std::byte* bytes) : next_(bytes) {}

  template <class T>
  T Value() {
    T value;
    std::memcpy(&value, next_, sizeof(T));
    next_ += sizeof(T);
    return value;
  }
  template <class Range>
  Range Values() {
    Range values;
    values.resize(static_cast<size_t>(Value<int64_t>()));
    for (auto& value : values) value = Value<std::remove_reference_t<decltype(value)>>();
    return values;
  }

 private:
  const std::byte* next_;
};

void WritePieces(const std::vector<Piece>& pieces, Writer& out) {
  out.Value(static_cast<int64_t>(pieces.size()));
  for (const Piece& piece : pieces) {
    out.Values(piece.name);
    out.Value(piece.global_shape);
    out.Values(piece.runs);
    out.Values(piece.values);
  }
}

std::vector<Piece> ReadPieces(Reader& in) {
  std::vector<Piece> pieces(static_cast<size_t>(in.Value<int64_t>()));
  for (Piece& piece : pieces) {
    piece.name = in.Values<std::string>();
    piece.global_shape = in.Value<Shape>();
    piece.runs = in.Values<std::vector<PieceRun>>();
    piece.values = in.Values<std::vector<double>>();
  }
  return pieces;
}

std::vector<std::byte> ToBytes(const std::vector<RankStep>& steps) {
  Writer out;
  out.Value(static_cast<int64_t>(steps.size()));
  for (const RankStep& step : steps) {
    out.Value(step.result);
    WritePieces(step.gradients, out);
    WritePieces(step.state, out);
  }
  return out.Take();
}

std::vector<RankStep> FromBytes(const std::byte* bytes) {
  Reader in(bytes);
  std::vector<RankStep> steps(static_cast<size_t>(in.Value<int64_t>()));
  for (RankStep& step : steps) {
    step.result = in.Value<StepResult>();
    step.gradients = ReadPieces(in);
    step.state = ReadPieces(in);
  }
  return steps;
}

// Every rank's `count` elements, which are as many on each.
template <class T>
std::vector<T> Gather(const std::vector<T>& mine, Communicator& world, Stream& stream) {
  const auto count = static_cast<int64_t>(mine.size());
  Tensor input(DTypeOf<T>, {count}, MemoryCategory::kWorkspace, stream);
  Tensor output(DTypeOf<T>, {count * world.size()}, MemoryCategory::kWorkspace, stream);
  std::vector<T> all(mine.size() * static_cast<size_t>(world.size()));
  Device& device = stream.device();
  device.CopyToDevice(input, ConstTensorView(mine.data(), DTypeOf<T>, {count}), stream);
  world.AllGather({.input = input, .output = output, .site = "steps of all ranks"}, stream);
  device.CopyToHost(TensorView(all.data(), DTypeOf<T>, {count * world.size()}), output, stream);
  stream.Synchronize(device.wait_limit());
  return all;
}

}  // namespace

std::vector<std::vector<RankStep>> ExchangeSteps(const std::vector<RankStep>& mine,
                                                 Communicator& world) {
  const auto stream = world.device().NewStream(StreamKind::kCompute, "steps");
  const std::vector<std::byte> bytes = ToBytes(mine);
  const auto words = static_cast<int64_t>(bytes.size() / sizeof(int64_t)) + 1;
  const std::vector<int64_t> sizes = Gather(std::vector<int64_t>{words}, world, *stream);
  const auto most = static_cast<size_t>(*std::ranges::max_element(sizes));
  std::vector<int64_t> padded(most);
  std::memcpy(padded.data(), bytes.data(), bytes.size());
  const std::vector<int64_t> all = Gather(padded, world, *stream);
  std::vector<std::vector<RankStep>> ranks;
  for (size_t rank = 0; rank < sizes.size(); ++rank)
    ranks.push_back(FromBytes(reinterpret_cast<const std::byte*>(all.data() + rank * most)));
  return ranks;
}

}  // namespace cadmus
