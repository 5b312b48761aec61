// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/schedule_words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

// What follows the letters of a word.
enum class Rest { kPlace, kTwoPlaces, kChunk, kNothing };

struct WordKind {
  std::string_view letters;
  ActionKind kind;
  Rest rest;
  Payload payload = Payload::kActivation;
};

constexpr std::array<WordKind, 12> kWords = {{
    {"F", ActionKind::kForward, Rest::kPlace},
    {"B", ActionKind::kBackward, Rest::kPlace},
    {"I", ActionKind::kBackwardInput, Rest::kPlace},
    {"W", ActionKind::kBackwardWeight, Rest::kPlace},
    {"O", ActionKind::kOverlap, Rest::kTwoPlaces},
    {"SA", ActionKind::kSend, Rest::kPlace},
    {"SG", ActionKind::kSend, Rest::kPlace, Payload::kGradient},
    {"RA", ActionKind::kReceive, Rest::kPlace},
    {"RG", ActionKind::kReceive, Rest::kPlace, Payload::kGradient},
    {"D", ActionKind::kReduceGradients, Rest::kChunk},
    {"T", ActionKind::kTieReduce, Rest::kNothing},
    {"U", ActionKind::kOptimizer, Rest::kNothing},
}};

// Reads a word from its front.
class WordReader {
 public:
  WordReader(std::string_view word, const ScheduleSize& size)
      : word_(word), left_(word), size_(size) {}

  ParsedWord Read() {
    const std::string_view letters = left_.substr(0, left_.find_first_not_of("ABDFGIORSTUW"));
    for (const WordKind& kind : kWords)
      if (kind.letters == letters) return Read(kind);
    return Refuse("; words begin with F, B, I, W, O, SA, SG, RA, RG, D, T or U");
  }

 private:
  ParsedWord Read(const WordKind& kind) {
    left_.remove_prefix(kind.letters.size());
    Action action = {.kind = kind.kind, .payload = kind.payload};
    bool read = true;
    if (kind.rest == Rest::kChunk) read = Number(action.chunk);
    if (kind.rest == Rest::kPlace || kind.rest == Rest::kTwoPlaces)
      read = Place(action.chunk, action.micro_batch);
    if (kind.rest == Rest::kTwoPlaces) {
      action.backward_chunk = 0;
      read = read && Take('|') && Place(action.backward_chunk, action.backward_micro_batch);
    }
    if (!read || !left_.empty()) return Refuse(HowToWrite(kind));
    if (auto problem = FindOutside(action)) return {{}, *problem};
    return {action, {}};
  }

  std::string HowToWrite(const WordKind& kind) const {
    const std::string place = size_.num_chunks == 1 ? "3" : "1.3";
    const char* meaning =
        size_.num_chunks == 1 ? " with a micro-batch" : " with chunk and micro-batch";
    switch (kind.rest) {
      case Rest::kPlace:
        return StrCat("; write ", kind.letters, place, meaning);
      case Rest::kTwoPlaces:
        return StrCat("; write ", kind.letters, place, "|", place, " forward and backward",
                      meaning);
      case Rest::kChunk:
        return StrCat("; write ", kind.letters, "0 with a chunk");
      case Rest::kNothing:
        return StrCat("; write ", kind.letters, " alone");
    }
    CADMUS_UNREACHABLE("no such rest");
  }

  ParsedWord Refuse(std::string_view advice) const {
    return {{}, StrCat("'", word_, "' is no action", advice)};
  }

  // [chunk '.'] micro-batch; the chunk may be left out where there is one.
  bool Place(int& chunk, int& micro_batch) {
    if (!Number(micro_batch)) return false;
    if (!Take('.')) return size_.num_chunks == 1;
    chunk = micro_batch;
    return Number(micro_batch);
  }

  bool Number(int& value) {
    if (left_.empty() || left_.front() < '0' || left_.front() > '9') return false;
    const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), value);
    if (error != std::errc()) return false;
    left_.remove_prefix(static_cast<size_t>(end - left_.data()));
    return true;
  }

  bool Take(char character) {
    if (left_.empty() || left_.front() != character) return false;
    left_.remove_prefix(1);
    return true;
  }

  std::optional<std::string> FindOutside(const Action& action) const {
    const int chunk = std::max(action.chunk, action.backward_chunk);
    const int micro_batch = std::max(action.micro_batch, action.backward_micro_batch);
    if (chunk >= size_.num_chunks) {
      return StrCat("'", word_, "' names chunk ", chunk, "; each rank has chunks 0 … ",
                    size_.num_chunks - 1);
    }
    if (micro_batch >= size_.num_micro_batches) {
      return StrCat("'", word_, "' names micro-batch ", micro_batch, "; the step has 0 … ",
                    size_.num_micro_batches - 1);
    }
    return std::nullopt;
  }

  std::string_view word_;
  std::string_view left_;
  const ScheduleSize& size_;
};

std::string PlaceToText(int chunk, int micro_batch, int num_chunks) {
  return num_chunks == 1 ? StrCat(micro_batch) : StrCat(chunk, ".", micro_batch);
}

}  // namespace

std::string ToWord(const Action& action, int num_chunks) {
  for (const WordKind& word : kWords) {
    if (word.kind != action.kind || word.payload != action.payload) continue;
    std::string text(word.letters);
    if (word.rest == Rest::kChunk) text += StrCat(action.chunk);
    if (word.rest == Rest::kPlace || word.rest == Rest::kTwoPlaces)
      text += PlaceToText(action.chunk, action.micro_batch, num_chunks);
    if (word.rest == Rest::kTwoPlaces) {
      text += '|';
      text += PlaceToText(action.backward_chunk, action.backward_micro_batch, num_chunks);
    }
    return text;
  }
  CADMUS_UNREACHABLE(StrCat(ToString(action), " has no word"));
}

ParsedWord ParseWord(std::string_view word, const ScheduleSize& size) {
  return WordReader(word, size).Read();
}

}  // namespace cadmus
