// Large private memory straight from the kernel: weights, arenas and files read into memory.
#pragma once

#include <cstddef>
#include <memory>

namespace slipway {

/// Zeroed, page-aligned private memory (2 MiB aligned and advised as huge pages from 2 MiB on, unless SLIPWAY_HUGE_PAGES is off).
/// Pages cost nothing until touched and go back to the kernel with the last owner. Throws std::bad_alloc.
std::shared_ptr<void> allocate_pages(size_t bytes);
/// Gives the whole pages inside [data, data + bytes) back to the kernel now; they read as zero afterwards (anonymous memory)
/// or are read from the file again (mappings).
void release_pages(const void* data, size_t bytes);

/// Address space without memory: page-aligned, any access faults until provide_pages() has put zeroed memory there. Throws
/// std::bad_alloc.
std::shared_ptr<void> reserve_pages(size_t bytes);
/// Whole pages around [data, data + bytes), which lies in reserved space, become zeroed private memory. Throws std::bad_alloc.
void provide_pages(const void* data, size_t bytes);

}  // namespace slipway
