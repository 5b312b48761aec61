// SPDX-License-Identifier: Apache-2.0
// Tensors travel between neighbours in any order of sends and takes, and memory is reused only
// behind them.
#include "runtime/parallel/pipeline/links.h"

#include <gtest/gtest.h>

#include <vector>

#include "collectives/local/local_world.h"
#include "kernels/open_device.h"

namespace cadmus {
namespace {

std::unique_ptr<Device> OpenCpu() {
  DeviceOptions options;
  options.kind = DeviceKind::kCpu;
  options.memory_bytes = int64_t{64} << 20;
  options.pool = MakeThreadPool(1);
  options.cpu_streams = CpuStreams::kThreaded;
  return OpenDevice(options);
}

Tensor Filled(double value, const Shape& shape, Stream& stream) {
  Tensor tensor(DType::kF64, shape, MemoryCategory::kActivationsInput, stream);
  const std::vector<double> values(static_cast<size_t>(shape.num_elements()), value);
  stream.device().CopyToDevice(tensor, ConstTensorView(values.data(), DType::kF64, shape), stream);
  stream.Synchronize(stream.device().wait_limit());
  return tensor;
}

double First(const Tensor& tensor, Stream& stream) {
  std::vector<double> values(static_cast<size_t>(tensor.view().num_elements()));
  stream.device().CopyToHost(TensorView(values.data(), DType::kF64, tensor.view().shape()), tensor,
                             stream);
  stream.Synchronize(stream.device().wait_limit());
  for (double value : values) EXPECT_EQ(value, values.front());
  return values.front();
}

// Both send first: with awaited sends they would wait for each other for ever.
TEST(PipelineLinks, NeighboursMaySendBeforeTheyReceive) {
  const Shape shape = {64, 33};
  RunLocalRanks(2, [&](Bootstrap& bootstrap) {
    const auto device = OpenCpu();
    const auto world = bootstrap.Connect(*device);
    const auto compute = device->NewStream(StreamKind::kCompute, "compute");
    const std::vector<int> both = {0, 1};
    const auto gradients = world->MakeGroup(both, "gradients");
    PipelineLinks links({*world, *gradients},
                        {.shape = shape, .dtype = DType::kF64, .max_messages = 6}, *compute);
    const int peer = 1 - bootstrap.rank();
    const double base = 100.0 * bootstrap.rank();
    for (int round = 0; round < 3; ++round) {
      std::vector<int> sent, received;
      for (int i = 0; i < 3; ++i) {
        const auto payload = i == 1 ? Payload::kGradient : Payload::kActivation;
        sent.push_back(links.Send(Filled(base + 10 * round + i, shape, *compute), peer, payload));
      }
      for (int i = 0; i < 3; ++i) {
        received.push_back(links.Receive(peer, i == 1 ? Payload::kGradient : Payload::kActivation));
      }
      for (int i = 2; i >= 0; --i) {
        const Tensor tensor = links.Take(received[static_cast<size_t>(i)]);
        EXPECT_EQ(First(tensor, *compute), 100.0 * peer + 10 * round + i);
      }
      world->Barrier("all have received", *compute);
      for (const int message : sent) links.Release(message);
    }
    compute->Synchronize(device->wait_limit());
    EXPECT_EQ(device->allocator()
                  .stats()
                  .current_bytes[static_cast<size_t>(MemoryCategory::kActivationsInput)],
              0);
  });
}

}  // namespace
}  // namespace cadmus
