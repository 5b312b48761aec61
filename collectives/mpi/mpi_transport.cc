// SPDX-License-Identifier: Apache-2.0
#include "collectives/mpi/mpi_transport.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "collectives/mpi/mpi_check.h"
#include "collectives/ordered/memory_access.h"

namespace cadmus {
namespace {

// Polling gives the core away at first, so that messages in many pieces flow, and then naps, since
// ranks may outnumber cores and a peer may compute for long.
constexpr std::chrono::milliseconds kYieldFor(1);
constexpr std::chrono::microseconds kFirstNap(20);
constexpr std::chrono::microseconds kLongestNap(200);

}  // namespace

void MpiTransport::Reserve(int num_messages) {
  const auto count = static_cast<size_t>(num_messages);
  requests_.reserve(count);
  posted_.reserve(count);
  completed_.reserve(count);
  statuses_.reserve(count);
}

void MpiTransport::Send(const Envelope& envelope, const void* data) {
  std::shared_ptr<void> staged;
  if (envelope.access != nullptr) {
    staged = envelope.access->NewHostMemory(envelope.bytes);
    envelope.access->Copy(staged.get(), data, envelope.bytes);
  }
  MPI_Request request = MPI_REQUEST_NULL;
  CADMUS_MPI_CHECK(MPI_Isend(staged != nullptr ? staged.get() : data,
                             static_cast<int>(envelope.bytes), MPI_BYTE, envelope.peer,
                             static_cast<int>(envelope.tag), MPI_COMM_WORLD, &request));
  requests_.push_back(request);
  posted_.push_back({.envelope = envelope, .received_into = nullptr, .staged = std::move(staged)});
}

void MpiTransport::Receive(const Envelope& envelope, void* data) {
  std::shared_ptr<void> staged;
  if (envelope.access != nullptr) staged = envelope.access->NewHostMemory(envelope.bytes);
  MPI_Request request = MPI_REQUEST_NULL;
  CADMUS_MPI_CHECK(MPI_Irecv(staged != nullptr ? staged.get() : data,
                             static_cast<int>(envelope.bytes), MPI_BYTE, envelope.peer,
                             static_cast<int>(envelope.tag), MPI_COMM_WORLD, &request));
  requests_.push_back(request);
  posted_.push_back({.envelope = envelope, .received_into = data, .staged = std::move(staged)});
}

void MpiTransport::Progress(Clock::time_point deadline, std::vector<int>& done) {
  const Clock::time_point yield_until = Clock::now() + kYieldFor;
  std::chrono::microseconds nap = kFirstNap;
  while (!Test(done)) {
    const Clock::time_point now = Clock::now();
    if (now >= deadline || woken_.exchange(false)) return;
    if (now < yield_until) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(nap);
      nap = std::min(2 * nap, kLongestNap);
    }
  }
}

// True if something has completed.
bool MpiTransport::Test(std::vector<int>& done) {
  const auto count = static_cast<int>(requests_.size());
  completed_.resize(requests_.size());
  statuses_.resize(requests_.size());
  int num_completed = 0;
  const int code =
      MPI_Testsome(count, requests_.data(), &num_completed, completed_.data(), statuses_.data());
  if (code != MPI_ERR_IN_STATUS) CADMUS_MPI_CHECK(code);
  if (num_completed == MPI_UNDEFINED || num_completed == 0) return false;
  for (int i = 0; i < num_completed; ++i) {
    const Posted& posted = posted_[static_cast<size_t>(completed_[static_cast<size_t>(i)])];
    const MPI_Status& status = statuses_[static_cast<size_t>(i)];
    if (code == MPI_ERR_IN_STATUS && status.MPI_ERROR != MPI_SUCCESS) {
      throw Error(Kind::kCommunication,
                  StrCat(posted.received_into == nullptr ? "sending to" : "receiving from",
                         " rank ", posted.envelope.peer, ": ", MpiErrorInWords(status.MPI_ERROR)));
    }
    Finish(posted, status);
    done.push_back(posted.envelope.message);
  }
  DropCompleted();
  return true;
}

void MpiTransport::Finish(const Posted& posted, const MPI_Status& status) {
  if (posted.received_into == nullptr) return;
  const Envelope& envelope = posted.envelope;
  int bytes = 0;
  CADMUS_MPI_CHECK(MPI_Get_count(&status, MPI_BYTE, &bytes));
  CADMUS_CHECK(bytes == envelope.bytes,
               StrCat("a message of ", bytes, " bytes from rank ", envelope.peer, " where ",
                      envelope.bytes, " were announced"));
  if (posted.staged != nullptr) {
    envelope.access->Copy(posted.received_into, posted.staged.get(), envelope.bytes);
  }
}

void MpiTransport::DropCompleted() {
  size_t kept = 0;
  for (size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    requests_[kept] = requests_[i];
    if (kept != i) posted_[kept] = std::move(posted_[i]);
    ++kept;
  }
  requests_.resize(kept);
  posted_.resize(kept);
}

void MpiTransport::Cancel(int first, int last) noexcept {
  // What no peer has answered can be taken back; a transfer in progress cannot, and is left to MPI:
  // the group has failed, and the device's memory and what is staged stay mapped.
  for (size_t i = 0; i < requests_.size(); ++i) {
    const bool is_meant =
        first <= posted_[i].envelope.message && posted_[i].envelope.message <= last;
    if (!is_meant || requests_[i] == MPI_REQUEST_NULL) continue;
    if (posted_[i].received_into != nullptr) MPI_Cancel(&requests_[i]);
    int done = 0;
    MPI_Test(&requests_[i], &done, MPI_STATUS_IGNORE);
    if (done) continue;
    MPI_Request_free(&requests_[i]);
    if (posted_[i].staged != nullptr) left_to_mpi_.push_back(std::move(posted_[i].staged));
  }
  DropCompleted();
}

int64_t MpiTransport::max_tag() const {
  void* value = nullptr;
  int found = 0;
  CADMUS_MPI_CHECK(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &value, &found));
  return found ? *static_cast<const int*>(value) : 32767;  // which the standard promises
}

void MpiTransport::RequireRevoke() const {
  throw Error(Kind::kCommunication,
              "Open MPI 4.1 can neither revoke nor rebuild a group: restart the job from its last "
              "checkpoint");
}

void MpiTransport::Revoke(int64_t, std::span<const int>, const std::string&) { RequireRevoke(); }

}  // namespace cadmus
