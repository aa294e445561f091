#include "base/pages.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#include "base/knobs.hpp"

namespace slipway {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t page_size() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

bool use_huge_pages() {
  static const bool use = knobs::kHugePages.get();
  return use;
}

uintptr_t round_up(uintptr_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace

std::shared_ptr<void> allocate_pages(size_t bytes) {
  const bool huge = bytes >= kHugePage && use_huge_pages();
  const size_t slack = huge ? kHugePage : 0;
  if (bytes > PTRDIFF_MAX - 2 * kHugePage) throw std::bad_alloc();
  const size_t length = round_up(bytes == 0 ? 1 : bytes, page_size()) + slack;
  void* const mapped = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  std::shared_ptr<void> owner(mapped, [length](void* p) { munmap(p, length); });
  if (!huge) return owner;
  void* const aligned = reinterpret_cast<void*>(round_up(reinterpret_cast<uintptr_t>(mapped), kHugePage));
  madvise(aligned, length - slack, MADV_HUGEPAGE);
  return {owner, aligned};
}

void release_pages(const void* data, size_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  const uintptr_t begin = round_up(address, page_size()), end = (address + bytes) / page_size() * page_size();
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::shared_ptr<void> reserve_pages(size_t bytes) {
  if (bytes > PTRDIFF_MAX - kHugePage) throw std::bad_alloc();
  const size_t length = round_up(bytes == 0 ? 1 : bytes, page_size());
  void* const mapped = mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  return std::shared_ptr<void>(mapped, [length](void* p) { munmap(p, length); });
}

void provide_pages(const void* data, size_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  const uintptr_t begin = address / page_size() * page_size(), end = round_up(address + bytes, page_size());
  if (mprotect(reinterpret_cast<void*>(begin), end - begin, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
}

}  // namespace slipway
