#include "files/temp_name.h"

#include <stdlib.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

namespace nacre::files {
namespace {

// FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/
uint32_t Hash(std::string_view bytes) {
  uint32_t hash = 2166136261u;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 16777619u;
  return hash;
}

}  // namespace

std::string TempName() {
  uint64_t random;
  // So few bytes come whole or, on a kernel that is not ours, not at all.
  if (getrandom(&random, sizeof(random), 0) != sizeof(random)) abort();
  return absl::StrFormat(".nacre-upload-%016x", random);
}

std::string ResumeName(std::string_view resume_id, std::string_view target) {
  return absl::StrFormat(".nacre-upload-%s-%08x", resume_id, Hash(target));
}

bool IsResumeId(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  });
}

}  // namespace nacre::files
