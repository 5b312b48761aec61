// SPDX-License-Identifier: Apache-2.0
#include "collectives/recorder/recorder.h"

#include <algorithm>
#include <charconv>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

template <size_t kSize>
void CopyText(std::string_view text, std::array<char, kSize>& out) {
  const size_t length = std::min(text.size(), kSize - 1);
  std::copy_n(text.data(), length, out.data());
  out[length] = '\0';
}

std::string OneDecimal(double value) {
  std::array<char, 64> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 1).ptr;
  return std::string(text.data(), end);
}

std::string StateInWords(const Recorder::Record& record, Recorder::Clock::time_point now) {
  switch (record.state) {
    case Recorder::State::kIssued:
      return StrCat("issued ", InWords(now - record.issued), " ago, not started");
    case Recorder::State::kStarted:
      return StrCat("running for ", InWords(now - record.started));
    case Recorder::State::kFinished:
      return StrCat("finished ", InWords(now - record.ended), " ago, took ",
                    InWords(record.ended - record.started));
    case Recorder::State::kFailed: {
      std::string text = StrCat("failed ", InWords(now - record.ended), " ago");
      if (record.num_missing == 0) return text;
      text += ", without answer from ranks";
      const int shown = std::min(record.num_missing, Recorder::Record::kMaxPeers);
      for (int i = 0; i < shown; ++i) text += StrCat(i == 0 ? " " : ", ", record.missing[i]);
      if (shown < record.num_missing) text += StrCat(" and ", record.num_missing - shown, " more");
      return text;
    }
  }
  return "";
}

}  // namespace

std::string BytesInWords(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= int64_t{1} << 30) return StrCat(OneDecimal(value / (1 << 30)), " GiB");
  if (bytes >= 1 << 20) return StrCat(OneDecimal(value / (1 << 20)), " MiB");
  if (bytes >= 1 << 10) return StrCat(OneDecimal(value / (1 << 10)), " KiB");
  return StrCat(bytes, bytes == 1 ? " byte" : " bytes");
}

std::string InWords(std::chrono::steady_clock::duration duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  return seconds < 1 ? StrCat(OneDecimal(1e3 * seconds), " ms") : StrCat(OneDecimal(seconds), " s");
}

std::string Describe(const CallInfo& info) {
  std::string text(Name(info.op));
  if (info.sequence >= 0) text += StrCat(" #", info.sequence);
  if (!info.site.empty()) text += StrCat(" '", info.site, "'");
  if (info.dtype != DType::kNone) {
    text += StrCat(" (", BytesInWords(info.bytes), " of ", Name(info.dtype), ")");
  }
  return text;
}

Recorder::Recorder(int capacity) : ring_(static_cast<size_t>(capacity)) {
  CADMUS_CHECK(capacity > 0, StrCat("a recorder of ", capacity, " calls"));
}

int64_t Recorder::Issue(const CallInfo& info) {
  std::lock_guard lock(mutex_);
  const int64_t id = num_issued_++;
  Record& record = ring_[static_cast<size_t>(id) % ring_.size()];
  record = Record{};
  record.id = id;
  CopyText(info.group, record.group);
  CopyText(info.site, record.site);
  record.op = info.op;
  record.dtype = info.dtype;
  record.sequence = info.sequence;
  record.bytes = info.bytes;
  record.issued = Clock::now();
  return id;
}

Recorder::Record* Recorder::Find(int64_t id) {
  Record& record = ring_[static_cast<size_t>(id) % ring_.size()];
  return record.id == id ? &record : nullptr;
}

void Recorder::Start(int64_t id) {
  std::lock_guard lock(mutex_);
  if (Record* record = Find(id)) {
    record->state = State::kStarted;
    record->started = Clock::now();
  }
}

void Recorder::Finish(int64_t id) {
  std::lock_guard lock(mutex_);
  if (Record* record = Find(id)) {
    record->state = State::kFinished;
    record->ended = Clock::now();
  }
}

void Recorder::Fail(int64_t id, std::span<const int> missing_ranks) {
  std::lock_guard lock(mutex_);
  if (Record* record = Find(id)) {
    record->state = State::kFailed;
    record->ended = Clock::now();
    record->num_missing = static_cast<int>(missing_ranks.size());
    const size_t kept = std::min<size_t>(missing_ranks.size(), Record::kMaxPeers);
    std::copy_n(missing_ranks.begin(), kept, record->missing.begin());
  }
}

std::vector<Recorder::Record> Recorder::Snapshot() const {
  std::lock_guard lock(mutex_);
  std::vector<Record> records;
  const auto capacity = static_cast<int64_t>(ring_.size());
  for (int64_t id = std::max<int64_t>(0, num_issued_ - capacity); id < num_issued_; ++id) {
    records.push_back(ring_[static_cast<size_t>(id % capacity)]);
  }
  return records;
}

std::string Recorder::Dump() const {
  const std::vector<Record> records = Snapshot();
  const Clock::time_point now = Clock::now();
  std::string text = StrCat("the last ", records.size(), " collective calls of this rank:\n");
  for (const Record& record : records) {
    const CallInfo info{.group = record.group.data(),
                        .op = record.op,
                        .sequence = record.sequence,
                        .bytes = record.bytes,
                        .dtype = record.dtype,
                        .site = record.site.data()};
    text += StrCat("  ", info.group, ": ", Describe(info), ": ", StateInWords(record, now), "\n");
  }
  return text;
}

}  // namespace cadmus
