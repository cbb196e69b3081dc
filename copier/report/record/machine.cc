#include "copier/report/record/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <thread>

namespace pgfanout {

Machine this_machine() {
  Machine machine;
  machine.processors = std::thread::hardware_concurrency();
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_size = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page_size > 0) {
    machine.memory_bytes =
        static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_size);
  }
  utsname name{};
  // Without its node name: a report is passed on.
  if (uname(&name) == 0) {
    machine.system = std::string(name.sysname) + " " + std::string(name.release) + " " +
                     std::string(name.machine);
  }
  return machine;
}

}  // namespace pgfanout
