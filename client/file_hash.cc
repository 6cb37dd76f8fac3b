#include "client/file_hash.h"

#include <xxh_x86dispatch.h>  // xxhash.h, by this machine's vector instructions

#include <algorithm>
#include <array>

namespace nacre::client {

void FileHash::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

FileHash::FileHash() : state_(XXH3_createState()) { XXH3_128bits_reset(state_.get()); }

FileHash::FileHash(const FileHash& other) : FileHash() { *this = other; }

FileHash& FileHash::operator=(const FileHash& other) {
  if (this != &other) XXH3_copyState(state_.get(), other.state_.get());
  bytes_ = other.bytes_;
  return *this;
}

FileHash::~FileHash() = default;

void FileHash::Add(std::string_view data) {
  bytes_ += data.size();
  XXH3_128bits_update(state_.get(), data.data(), data.size());
}

void FileHash::AddHole(uint64_t bytes) {
  static constexpr std::array<char, 64 << 10> kZeros{};
  while (bytes > 0) {
    const size_t some = std::min<uint64_t>(bytes, kZeros.size());
    Add({kZeros.data(), some});
    bytes -= some;
  }
}

std::string FileHash::Canonical() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  return {reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest};
}

}  // namespace nacre::client
