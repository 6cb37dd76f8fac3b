// What the wire takes for text.
#ifndef NACRE_CLIENT_UTF8_H_
#define NACRE_CLIENT_UTF8_H_

#include <string_view>

namespace nacre::client {

// Whether the bytes are well-formed UTF-8, as a protobuf string must be.
bool IsUtf8(std::string_view text);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_UTF8_H_
