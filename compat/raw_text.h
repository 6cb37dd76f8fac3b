#pragma once

#include <cstddef>
#include <string_view>

#include "compat/request_decoder.h"

namespace nacre::compat {

// A command without a length before it: what one recv of the server was to return. `max_request`
// bounds it in bytes, not counting one line end.
//
// TCP may cut it where a segment ends, at 536 bytes (RFC 9293's default) or later. So what is that
// long is complete only once nothing follows, and what is shorter at once.
Decoded DecodeRawText(std::string_view bytes, size_t max_request, Arrival arrival);

}  // namespace nacre::compat
