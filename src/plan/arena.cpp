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

}  // namespace

Arena assign_offsets(const std::vector<Lifetime>& buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto by = [&](auto key) {
    std::vector<size_t> sorted = order;
    std::stable_sort(sorted.begin(), sorted.end(), [&](size_t a, size_t b) { return key(buffers[a]) > key(buffers[b]); });
    return place_in_order(buffers, sorted);
  };
  Arena best = by([](const Lifetime& l) { return l.bytes; });
  for (Arena& other : std::vector<Arena>{
           by([](const Lifetime& l) { return l.bytes * (l.last - l.first + 1); }),
           by([](const Lifetime& l) { return size_t{l.last - l.first}; }),
           place_in_order(buffers, order),
       }) {
    if (other.bytes < best.bytes) best = std::move(other);
  }
  uint32_t steps = 0;
  for (const Lifetime& l : buffers) steps = std::max(steps, l.last + 1);
  std::vector<size_t> live(steps + 1, 0);
  for (const Lifetime& l : buffers) {
    for (uint32_t s = l.first; s <= l.last; ++s) live[s] += aligned(l.bytes);
  }
  best.live_peak = *std::max_element(live.begin(), live.end());
  return best;
}

}  // namespace slipway::plan
