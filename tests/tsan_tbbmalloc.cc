// In place of oneTBB's allocator in builds for TSan: memory of the C library's, so that TSan knows
// when it is freed and given out anew. These four are all that oneTBB looks for.
#include <cstdlib>

extern "C" {

void* scalable_malloc(std::size_t bytes) {
  return std::malloc(bytes);
}
void scalable_free(void* memory) {
  std::free(memory);
}
void* scalable_aligned_malloc(std::size_t bytes, std::size_t alignment) {
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, bytes) == 0 ? memory : nullptr;
}
void scalable_aligned_free(void* memory) {
  std::free(memory);
}

}  // extern "C"
