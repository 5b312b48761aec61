// SPDX-License-Identifier: Apache-2.0
// Loader: the batches of successive steps, read ahead by one thread while the step before trains.
// Its whole state is the number of the next step, so resuming is Seek.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "runtime/data/global_batch.h"

namespace cadmus {

class Loader {
 public:
  // Takes the buffers of two batches; later calls allocate nothing. Throws as GlobalBatch does.
  Loader(DataMix mix, const LoaderOptions& options);
  Loader(std::shared_ptr<const TokenData> data, const LoaderOptions& options)
      : Loader(DataMix{WholeOf(std::move(data))}, options) {}
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next call of Next returns step `step` >= 0. It begins to be read at once.
  void Seek(int64_t step);

  // The batch of the next step (0 at first), valid until the next call. Throws what reading it
  // threw, and then stays at that step; throws kData when reading takes longer than ten minutes.
  const StepBatch& Next();

  const GlobalBatch& global_batch() const { return source_; }

 private:
  enum class Reading { kIdle, kAsked, kDone };

  void ReadAhead();
  void AwaitReader(std::unique_lock<std::mutex>& lock);

  GlobalBatch source_;
  StepBatch current_;  // the caller's

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_; while kAsked, ahead_ is the reader's alone.
  Reading reading_ = Reading::kIdle;
  StepBatch ahead_;
  int64_t next_step_ = 0;
  std::exception_ptr failure_;
  bool stop_ = false;

  std::thread reader_;  // last: it uses all of the above
};

}  // namespace cadmus
