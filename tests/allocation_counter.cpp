#include "allocation_counter.hpp"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace voicechan {
namespace {

thread_local AllocationCount count;

}  // namespace

AllocationCount allocation_count() noexcept { return count; }

}  // namespace voicechan

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  void* const memory = std::malloc(size);
  if (memory == nullptr) return nullptr;
  ++voicechan::count.allocations;
  voicechan::count.live_bytes += static_cast<std::ptrdiff_t>(malloc_usable_size(memory));
  return memory;
}

void* operator new(std::size_t size) {
  void* const memory = operator new(size, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  voicechan::count.live_bytes -= static_cast<std::ptrdiff_t>(malloc_usable_size(memory));
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
