#include "process/memory.h"

#include <cstdint>

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace chg {
namespace {

// Only segments that nobody may write to: all others may differ from their file.
int give_back_code(dl_phdr_info* object, std::size_t /*size*/, void* /*unused*/) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    const std::uintptr_t first_page = begin & ~(page - 1);
    // That it cannot be given back is no failure.
    madvise(reinterpret_cast<void*>(first_page), begin + segment.p_memsz - first_page,
            MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void give_memory_back() {
  malloc_trim(0);
  dl_iterate_phdr(give_back_code, nullptr);
}

}  // namespace chg
