#include "serve/codec/memory.hpp"

#include "base/format.hpp"

namespace slipway::serve {

bool MemoryBudget::take(size_t bytes) {
  size_t used = used_;
  do {
    if (bytes > total_ - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes));
  return true;
}

Status MemoryLease::grow(size_t bytes) {
  if (!budget_->take(bytes)) {
    return fail(ErrorCode::unavailable, "the requests in flight leave no room for {} bytes more of the {} they may hold", bytes,
                budget_->total());
  }
  held_ += bytes;
  return {};
}

void MemoryLease::shrink(size_t bytes) {
  held_ -= bytes;
  budget_->used_ -= bytes;
}

}  // namespace slipway::serve
