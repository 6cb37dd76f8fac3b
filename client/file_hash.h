// Checksums of files.
#ifndef NACRE_CLIENT_FILE_HASH_H_
#define NACRE_CLIENT_FILE_HASH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace nacre::client {

// XXH3-128 of bytes that come one after the other. Not thread-safe.
class FileHash {
 public:
  FileHash();
  FileHash(const FileHash& other);
  FileHash& operator=(const FileHash& other);
  ~FileHash();

  void Add(std::string_view data);
  // So many zero bytes.
  void AddHole(uint64_t bytes);

  uint64_t bytes() const { return bytes_; }
  // 16 bytes, big-endian, as the wire has it.
  std::string Canonical() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };

  std::unique_ptr<XXH3_state_s, Free> state_;
  uint64_t bytes_ = 0;
};

}  // namespace nacre::client

#endif  // NACRE_CLIENT_FILE_HASH_H_
