// One bound on the memory that all requests in flight hold: bodies, the tensors read from them, replies not yet taken.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "base/error.hpp"

namespace slipway::serve {

/// Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t bytes) : total_(bytes) {}

  size_t total() const { return total_; }
  size_t used() const { return used_; }

 private:
  friend class MemoryLease;

  bool take(size_t bytes);

  const size_t total_;
  std::atomic<size_t> used_{0};  // never above total_
};

/// What one request holds of the budget; gives it back at its end. One thread at a time.
class MemoryLease {
 public:
  explicit MemoryLease(std::shared_ptr<MemoryBudget> budget) : budget_(std::move(budget)) {}
  MemoryLease(const MemoryLease&) = delete;
  MemoryLease& operator=(const MemoryLease&) = delete;
  ~MemoryLease() { budget_->used_ -= held_; }

  /// Before memory is allocated. Error: unavailable, and nothing is taken.
  Status grow(size_t bytes);
  /// `bytes`: at most what was grown.
  void shrink(size_t bytes);

 private:
  std::shared_ptr<MemoryBudget> budget_;
  size_t held_ = 0;
};

}  // namespace slipway::serve
