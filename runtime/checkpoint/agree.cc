// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint/agree.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <span>

namespace cadmus {
namespace {

constexpr int64_t kMaxGatherBytes = int64_t{4} << 20;
constexpr int64_t kMinPieceBytes = 256;

// What every rank contributes of `piece.size()` bytes, in rank order.
std::string GatherPiece(const std::string& piece, Communicator& world, Stream& stream) {
  Device& device = stream.device();
  const auto bytes = static_cast<int64_t>(piece.size());
  const Tensor input =
      world.Allocate(DType::kU8, Shape{bytes}, MemoryCategory::kCommunication, stream);
  const Tensor output = world.Allocate(DType::kU8, Shape{bytes * world.size()},
                                       MemoryCategory::kCommunication, stream);
  std::string all(static_cast<size_t>(bytes * world.size()), '\0');
  device.CopyToDevice(input, ConstTensorView(piece.data(), DType::kU8, Shape{bytes}), stream);
  world.AllGather({.input = input, .output = output, .site = "checkpoint"}, stream);
  device.CopyToHost(TensorView(all.data(), DType::kU8, output.view().shape()), output, stream);
  stream.Synchronize(device.wait_limit());
  return all;
}

}  // namespace

std::vector<std::string> AllGatherBytes(const std::string& bytes, Communicator& world,
                                        Stream& stream) {
  const auto num_ranks = static_cast<size_t>(world.size());
  const uint64_t own_size = bytes.size();
  std::string size_bytes(sizeof(own_size), '\0');
  std::memcpy(size_bytes.data(), &own_size, sizeof(own_size));
  std::vector<uint64_t> sizes(num_ranks);
  std::memcpy(sizes.data(), GatherPiece(size_bytes, world, stream).data(),
              num_ranks * sizeof(uint64_t));

  // In rounds of padded pieces, so that the device memory needed has a bound.
  const uint64_t longest = *std::ranges::max_element(sizes);
  const uint64_t piece_bytes = static_cast<uint64_t>(
      std::clamp<int64_t>(kMaxGatherBytes / world.size(), kMinPieceBytes, kMaxGatherBytes));
  std::vector<std::string> parts(num_ranks);
  for (uint64_t begin = 0; begin < longest; begin += piece_bytes) {
    const uint64_t width = std::min(piece_bytes, longest - begin);
    std::string piece = begin < own_size ? bytes.substr(begin, width) : "";
    piece.resize(width, '\0');
    const std::string all = GatherPiece(piece, world, stream);
    for (size_t rank = 0; rank < num_ranks; ++rank) {
      if (begin >= sizes[rank]) continue;
      parts[rank].append(all, rank * width, std::min(width, sizes[rank] - begin));
    }
  }
  return parts;
}

std::vector<std::string> Agree(const std::function<std::string()>& work, Communicator& world,
                               Stream& stream) {
  // The first byte is 0, or the kind of the error whose message follows.
  std::string outcome;
  const auto failed = [](Kind kind, std::string_view message) {
    return StrCat(static_cast<char>(kind), message);
  };
  try {
    outcome = StrCat('\0', work());
  } catch (const Error& error) {
    outcome = failed(error.kind(), error.message());
  } catch (const std::exception& error) {
    outcome = failed(Kind::kInternal, error.what());
  }
  std::vector<std::string> outcomes = AllGatherBytes(outcome, world, stream);
  for (size_t rank = 0; rank < outcomes.size(); ++rank) {
    const std::string& other = outcomes[rank];
    CADMUS_CHECK(!other.empty(), StrCat("rank ", rank));
    if (other[0] != '\0') {
      throw Error(static_cast<Kind>(other[0]), StrCat("rank ", rank, ": ", other.substr(1)));
    }
  }
  for (std::string& other : outcomes) other.erase(0, 1);
  return outcomes;
}

}  // namespace cadmus
