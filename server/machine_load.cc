#include "server/machine_load.h"

#include <fcntl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/unique_fd.h"

namespace nacre {

uint64_t MeminfoBytes(std::string_view meminfo, std::string_view name) {
  while (!meminfo.empty()) {
    std::string_view line = meminfo.substr(0, meminfo.find('\n'));
    meminfo.remove_prefix(std::min(line.size() + 1, meminfo.size()));
    if (!line.starts_with(name) || line.substr(name.size(), 1) != ":") continue;
    line.remove_prefix(std::min(line.find_first_of("0123456789"), line.size()));
    uint64_t kibibytes = 0;
    std::from_chars(line.data(), line.data() + line.size(), kibibytes);
    return kibibytes * 1024;
  }
  return 0;
}

void ReadMachineLoad(v1::NodeLoad* load) {
  struct sysinfo info;
  if (sysinfo(&info) == 0) {
    constexpr double kOne = 1 << SI_LOAD_SHIFT;
    load->set_load_average_1m(static_cast<double>(info.loads[0]) / kOne);
    load->set_load_average_5m(static_cast<double>(info.loads[1]) / kOne);
    load->set_load_average_15m(static_cast<double>(info.loads[2]) / kOne);
    load->set_memory_bytes(static_cast<uint64_t>(info.totalram) * info.mem_unit);
  }
  load->set_cpus(static_cast<uint32_t>(get_nprocs()));
  const UniqueFd file(open("/proc/meminfo", O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> text;
  const ssize_t size = file.valid() ? read(file.get(), text.data(), text.size()) : 0;
  if (size <= 0) return;
  load->set_available_memory_bytes(
      MeminfoBytes({text.data(), static_cast<size_t>(size)}, "MemAvailable"));
}

}  // namespace nacre
