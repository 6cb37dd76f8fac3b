#include "files/directory_page.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "base/seqpacket.h"
#include "files/directory_reader.h"
#include "files/entry.h"

namespace nacre::files {
namespace {

constexpr size_t kBuffer = 32 * 1024;
// Of entries in one reply: the rest is for its other fields.
constexpr size_t kMaxPageBytes = seqpacket::kMaxDatagram - 4 * 1024;
// What a field of a message takes beside its content: tag and length.
constexpr size_t kFieldBytes = 4;

v1::Entry DescribeItem(int directory, const char* name) {
  Result<v1::Entry> entry = DescribeAt(directory, name);
  if (entry.ok()) return *std::move(entry);
  v1::Entry bare;
  bare.set_name(name);
  return bare;
}

}  // namespace

Outcome ReadPage(int directory, std::optional<uint64_t> from, uint32_t limit, v1::Reply* reply) {
  if (limit == 0) limit = kMaxPageEntries;
  limit = std::min(limit, kMaxPageEntries);
  int64_t next = 0;
  if (from.has_value()) {
    next = static_cast<int64_t>(*from);
    if (next < 0 || lseek(directory, next, SEEK_SET) < 0) return BadRequest();
  }
  DirectoryReader reader(directory, kBuffer);
  size_t bytes = 0;
  for (;;) {
    const Result<DirectoryReader::Item> item = reader.Next();
    if (!item.ok()) return item.outcome();
    if (item->name == nullptr) return {};
    v1::Entry entry = DescribeItem(directory, item->name);
    bytes += entry.ByteSizeLong() + kFieldBytes;
    if (bytes > kMaxPageBytes) break;
    *reply->add_entries() = std::move(entry);
    next = item->next;
    if (static_cast<uint32_t>(reply->entries_size()) == limit) break;
  }
  reply->set_next(static_cast<uint64_t>(next));
  return {};
}

}  // namespace nacre::files
