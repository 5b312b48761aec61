// SPDX-License-Identifier: Apache-2.0
// The Megatron token data set on disk, two files, little-endian, without padding:
//   prefix.bin   the tokens of all sequences, one after the other
//   prefix.idx   magic, u64 version, u8 dtype code, u64 sequences, u64 documents + 1,
//                i32 length[sequences] in tokens, i64 pointer[sequences] in bytes of .bin,
//                i64 first_sequence[documents + 1]
#pragma once

#include <cstdint>
#include <string_view>

namespace cadmus::index_layout {

inline constexpr std::string_view kMagic{"MMIDIDX\0\0", 9};
inline constexpr uint64_t kVersion = 1;
inline constexpr int64_t kHeaderBytes = 9 + 8 + 1 + 8 + 8;

// The codes of integer tokens; 6 and 7 are floating point and hold no tokens.
enum DTypeCode : uint8_t { kU8 = 1, kI8 = 2, kI16 = 3, kI32 = 4, kI64 = 5, kU16 = 8 };

// Vocabularies below this are stored in two bytes a token, as Megatron does.
inline constexpr int64_t kSmallVocabulary = 65500;

}  // namespace cadmus::index_layout
