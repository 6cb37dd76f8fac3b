#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// The length of the old protocol: Python's struct.pack('i', n), four bytes, signed, little-endian.
namespace nacre::compat {

inline constexpr size_t kLengthBytes = 4;

inline std::string PackLength(uint32_t length) {
  std::string bytes(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) bytes[i] = static_cast<char>(length >> (8 * i));
  return bytes;
}

// Of the first four bytes.
inline int32_t UnpackLength(std::string_view bytes) {
  uint32_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return static_cast<int32_t>(length);
}

}  // namespace nacre::compat
