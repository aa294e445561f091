#include "plan/arena.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/tensor.hpp"

namespace slipway::plan {
namespace {

size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

Arena place_in_order(const std::vector<Lifetime>& buffers, const std::vector<size_t>& order) {
  Arena arena;
  arena.offsets.assign(buffers.size(), 0);
  std::vector<size_t> placed;  // by offset
  for (size_t index : order) {
    const Lifetime& b = buffers[index];
    const size_t need = aligned(b.bytes);
    if (need == 0) continue;
    size_t cursor = 0, best = std::numeric_limits<size_t>::max(), best_gap = best;
    for (size_t other : placed) {
      const Lifetime& o = buffers[other];
      if (o.last < b.first || b.last < o.first) continue;
      const size_t at = arena.offsets[other];
      if (at >= cursor + need && at - cursor < best_gap) {
        best = cursor;
        best_gap = at - cursor;
      }
      cursor = std::max(cursor, at + aligned(o.bytes));
    }
    const size_t offset = best_gap != std::numeric_limits<size_t>::max() ? best : cursor;
    arena.offsets[index] = offset;
    arena.bytes = std::max(arena.bytes, offset + need);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), offset, [&](size_t value, size_t p) { return value < arena.offsets[p]; }),
        index);
  }
  return arena;
}

/// The most bytes alive at one step.
size_t live_peak(const std::vector<Lifetime>& buffers) {
  uint32_t steps = 0;
  for (const Lifetime& l : buffers) steps = std::max(steps, l.last + 1);
  std::vector<size_t> change(steps + 2, 0);  // wraps round where bytes end: sums come out right
  for (const Lifetime& l : buffers) {
    change[l.first] += aligned(l.bytes);
    change[l.last + 1] -= aligned(l.bytes);
  }
  size_t live = 0, most = 0;
  for (const size_t c : change) most = std::max(most, live += c);
  return most;
}

}  // namespace

Arena assign_offsets(const std::vector<Lifetime>& buffers) {
  /// Nearer than this to the lower bound is good enough.
  constexpr double kGoodEnough = 1.02;
  constexpr int kMostRepairs = 40;
  const size_t bound = live_peak(buffers);
  const auto good = [&](const Arena& arena) {
    return static_cast<double>(arena.bytes) <= kGoodEnough * static_cast<double>(bound);
  };
  std::vector<size_t> made(buffers.size()), best_order;
  std::iota(made.begin(), made.end(), size_t{0});
  Arena best;
  const auto attempt = [&](std::vector<size_t> order) {
    Arena arena = place_in_order(buffers, order);
    if (!best_order.empty() && arena.bytes >= best.bytes) return;
    best = std::move(arena);
    best_order = std::move(order);
  };
  const auto attempt_by = [&](auto key) {
    if (!best_order.empty() && good(best)) return;
    std::vector<size_t> order = made;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(buffers[a]) > key(buffers[b]); });
    attempt(std::move(order));
  };
  attempt_by([](const Lifetime& l) { return l.bytes; });
  attempt_by([](const Lifetime& l) { return l.bytes * (l.last - l.first + 1); });
  attempt_by([](const Lifetime& l) { return size_t{l.last - l.first}; });
  attempt_by([](const Lifetime&) { return size_t{0}; });
  // Whatever stands highest came too late: it is placed first in the next attempt.
  std::vector<size_t> order = best_order;
  for (int i = 0; i < kMostRepairs && !good(best); ++i) {
    const Arena arena = place_in_order(buffers, order);
    const auto highest = std::max_element(order.begin(), order.end(), [&](size_t a, size_t b) {
      return arena.offsets[a] + aligned(buffers[a].bytes) < arena.offsets[b] + aligned(buffers[b].bytes);
    });
    std::rotate(order.begin(), highest, highest + 1);
    attempt(order);
  }
  best.offsets.resize(buffers.size());
  best.live_peak = bound;
  return best;
}

}  // namespace slipway::plan
