#pragma once

#include <errno.h>

#include <utility>
#include <variant>

#include "nacre/files/v1/files.pb.h"

namespace nacre::files {

// How something ended: what goes into a Reply's `error` and `failure`.
struct [[nodiscard]] Outcome {
  int error = 0;
  v1::Failure failure = v1::FAILURE_UNSPECIFIED;

  bool ok() const { return error == 0; }
};

// What a failed system call has left in errno. Running out of descriptors has a word of its own.
inline Outcome Errno(int error = errno) {
  const bool too_many = error == EMFILE || error == ENFILE;
  return {error, too_many ? v1::FAILURE_TOO_MANY : v1::FAILURE_UNSPECIFIED};
}

// A request that breaks a rule of the protocol.
inline Outcome BadRequest(int error = EINVAL) { return {error, v1::FAILURE_REQUEST}; }

// A T, or why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}  // NOLINT(google-explicit-constructor): a T
  // `failed` is not ok.
  Result(Outcome failed) : content_(failed) {}  // NOLINT(google-explicit-constructor): or none

  bool ok() const { return content_.index() == 0; }
  Outcome outcome() const { return ok() ? Outcome() : std::get<1>(content_); }

  // Only where ok().
  T& operator*() & { return std::get<0>(content_); }
  const T& operator*() const& { return std::get<0>(content_); }
  T&& operator*() && { return std::get<0>(std::move(content_)); }
  T* operator->() { return &std::get<0>(content_); }
  const T* operator->() const { return &std::get<0>(content_); }

 private:
  std::variant<T, Outcome> content_;
};

}  // namespace nacre::files
