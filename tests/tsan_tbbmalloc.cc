// In place of oneTBB's allocator in builds for TSan: memory of the C library's, so that TSan knows
// when it is freed and given out anew. These four are all that oneTBB looks for. It hands memory
// from thread to thread by atomics that TSan does not see, so each block says that it was allocated
// before it is freed.
#include <sanitizer/tsan_interface.h>

#include <cstdlib>

namespace {

void* allocated(void* memory) {
  if (memory != nullptr) __tsan_release(memory);
  return memory;
}

void release(void* memory) {
  if (memory != nullptr) __tsan_acquire(memory);
  std::free(memory);
}

}  // namespace

extern "C" {

void* scalable_malloc(std::size_t bytes) {
  return allocated(std::malloc(bytes));
}
void scalable_free(void* memory) {
  release(memory);
}
void* scalable_aligned_malloc(std::size_t bytes, std::size_t alignment) {
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, bytes) == 0 ? allocated(memory) : nullptr;
}
void scalable_aligned_free(void* memory) {
  release(memory);
}

}  // extern "C"
