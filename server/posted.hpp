#pragma once

#include <cstddef>
#include <new>
#include <utility>

namespace voicechan::server {

/// Memory as of operator new, for `Posted`.
template <class T>
struct PlainAllocator {
  using value_type = T;

  PlainAllocator() = default;
  template <class U>
  PlainAllocator(const PlainAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t) noexcept { ::operator delete(memory); }

  template <class U>
  bool operator==(const PlainAllocator<U>&) const noexcept {
    return true;
  }
  template <class U>
  bool operator!=(const PlainAllocator<U>&) const noexcept {
    return false;
  }
};

/// Something to be posted to an event loop. Asio gives the memory of the last handler to the next
/// one, however large it is, so that each connection that waits would keep what its handshake was
/// posted in: 200 bytes more than it needs.
template <class Action>
struct Posted {
  using allocator_type = PlainAllocator<void>;
  allocator_type get_allocator() const noexcept { return {}; }

  void operator()() { action(); }

  Action action;
};

}  // namespace voicechan::server
