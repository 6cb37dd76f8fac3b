#include "bench/peers/framed_server.h"

#include <endian.h>

#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "bench/io.h"
#include "bench/tcp.h"

namespace nacre::bench {

absl::StatusOr<std::vector<Operation>> FramedServer::NewClients(int count,
                                                                const std::string& command,
                                                                uint64_t reply_bytes) {
  const std::string request = FrameLength(command.size()) + command;
  std::vector<Operation> clients;
  for (int i = 0; i < count; ++i) {
    auto connection = ConnectTcp(address_);
    if (!connection.ok()) return connection.status();
    const auto shared = std::make_shared<UniqueFd>(*std::move(connection));
    clients.push_back([shared, request, reply_bytes] {
      absl::Status status = WriteAll(shared->get(), request);
      return status.ok() ? TakeFrame(shared->get(), reply_bytes) : status;
    });
  }
  return clients;
}

std::string FrameLength(uint64_t bytes) {
  const uint32_t length = htole32(static_cast<uint32_t>(bytes));
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length));
}

absl::Status TakeFrame(int fd, uint64_t bytes) {
  std::string head(sizeof(uint32_t), '\0');
  if (absl::Status status = ReadExactly(fd, head.data(), head.size()); !status.ok()) return status;
  if (head == FrameLength(bytes)) return Skip(fd, bytes);
  uint32_t length = 0;
  std::memcpy(&length, head.data(), sizeof(length));
  return absl::DataLossError(
      absl::StrCat("a reply of ", le32toh(length), " bytes came instead of ", bytes));
}

}  // namespace nacre::bench
