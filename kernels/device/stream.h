// SPDX-License-Identifier: Apache-2.0
// Stream and Event, with CUDA's semantics: work of one stream runs in order; an event marks a place
// in a stream; another stream, or the host, waits for that place. The waits and marks are seen by
// the device's Trace, if any.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace cadmus {

class Device;
class Stream;

enum class StreamKind { kCompute, kCommunication };

// One marked place. Never recorded counts as reached. Recording again moves the mark.
class Event {
 public:
  explicit Event(int id) : id_(id) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  virtual ~Event() = default;

  int id() const { return id_; }
  // Blocks the host until the place is reached. Throws kCommunication after `limit`, naming stream
  // and event; rethrows the first exception of the stream's work.
  virtual void Synchronize(std::chrono::milliseconds limit) = 0;

 private:
  int id_;
};

class Stream {
 public:
  Stream(Device& device, StreamKind kind, int id, std::string name)
      : device_(device), kind_(kind), id_(id), name_(std::move(name)) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  // Waits for the work issued so far (in the derived destructor). Streams end before their device.
  virtual ~Stream();

  Device& device() const { return device_; }
  StreamKind kind() const { return kind_; }
  int id() const { return id_; }
  const std::string& name() const { return name_; }

  // Marks `event` after the work issued so far.
  void Record(Event& event);
  // Later work of this stream starts only when `event`'s mark, as it is now, is reached.
  void Wait(Event& event);
  // Blocks the host until all issued work is done; throws like Event::Synchronize.
  virtual void Synchronize(std::chrono::milliseconds limit) = 0;

 protected:
  virtual void DoRecord(Event& event) = 0;
  virtual void DoWait(Event& event) = 0;

 private:
  Device& device_;
  StreamKind kind_;
  int id_;
  std::string name_;
};

}  // namespace cadmus
