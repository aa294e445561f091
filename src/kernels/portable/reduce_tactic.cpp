// Sums, means and extremes over neighbouring axes of f32, plain or over the pixels of blocked16; the global pools among them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "ops/reduce.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::Format;

constexpr int64_t kBlock = 16;
/// Results that are accumulated side by side.
constexpr int64_t kStrip = 64;
/// A partial result takes in this many elements, then it joins the others: long sums stay as good as short ones.
constexpr int64_t kPart = 256;

enum class Reduce : uint8_t { sum, mean, max, min, l1, l2, sum_square };

/// The input as [outer][reduced][inner].
struct Work {
  Reduce reduce = Reduce::sum;
  int64_t outer = 1, reduced = 1, inner = 1;
  Format format = Format::plain;
};

struct Named {
  std::string_view op;
  Reduce reduce;
};
constexpr Named kNames[] = {{"GlobalAveragePool", Reduce::mean},
                            {"GlobalMaxPool", Reduce::max},
                            {"ReduceSum", Reduce::sum},
                            {"ReduceMean", Reduce::mean},
                            {"ReduceMax", Reduce::max},
                            {"ReduceMin", Reduce::min},
                            {"ReduceL1", Reduce::l1},
                            {"ReduceL2", Reduce::l2},
                            {"ReduceSumSquare", Reduce::sum_square}};

/// Which axes go. False when they are not known.
bool reduced_axes(const tactic::Query& query, std::vector<bool>& gone) {
  const int rank = query.inputs[0].dims.rank();
  gone.assign(static_cast<size_t>(rank), false);
  if (query.is("GlobalAveragePool") || query.is("GlobalMaxPool")) {
    std::fill(gone.begin() + 2, gone.end(), true);
    return true;
  }
  std::vector<int64_t> axes;
  if (query.has(1)) {
    if (query.inputs[1].constant == nullptr) return false;
    axes = to_int64s(*query.inputs[1].constant);
  }
  if (axes.empty() && !query.node.attrs.as<ops::ReduceAttrs>().noop_with_empty_axes) gone.assign(gone.size(), true);
  for (const int64_t axis : axes) {
    if (axis < -rank || axis >= rank) return false;
    gone[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = true;
  }
  return true;
}

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  const tactic::TensorDesc& x = query.inputs[0];
  if (x.type != ElementType::f32) return reason = "f32 only", false;
  if (x.dims.count() == 0) return reason = "empty", false;
  for (const Named& row : kNames) {
    if (query.is(row.op)) work.reduce = row.reduce;
  }
  std::vector<bool> gone;
  if (!reduced_axes(query, gone)) return reason = "the axes are not constant", false;
  const int rank = x.dims.rank();
  int begin = 0, end = rank;
  while (begin < rank && !gone[static_cast<size_t>(begin)]) ++begin;
  while (end > begin && !gone[static_cast<size_t>(end - 1)]) --end;
  for (int i = begin; i < end; ++i) {
    if (!gone[static_cast<size_t>(i)] && x.dims[i] != 1) return reason = "axes that are not neighbours", false;
  }
  work.outer = x.dims.count(0, begin);
  work.reduced = x.dims.count(begin, end);
  work.inner = x.dims.count(end, rank);
  const bool pixels = rank >= 3 && begin == 2 && end == rank && query.outputs[0].dims.rank() == rank;
  if (pixels && x.format == Format::blocked16) {
    work.format = Format::blocked16;
    work.outer = x.dims[0] * ((x.dims[1] + kBlock - 1) / kBlock);
    work.inner = kBlock;
  }
  return true;
}

/// take: a partial result and an element; join: two partial results.
struct Add {
  static constexpr float kFirst = 0;
  static float take(float a, float x) { return a + x; }
  static float join(float a, float b) { return a + b; }
};
struct AddMagnitude {
  static constexpr float kFirst = 0;
  static float take(float a, float x) { return a + std::fabs(x); }
  static float join(float a, float b) { return a + b; }
};
struct AddSquare {
  static constexpr float kFirst = 0;
  static float take(float a, float x) { return a + x * x; }
  static float join(float a, float b) { return a + b; }
};
struct Max {
  static constexpr float kFirst = -std::numeric_limits<float>::infinity();
  static float take(float a, float x) { return x > a || x != x ? x : a; }
  static float join(float a, float b) { return take(a, b); }
};
struct Min {
  static constexpr float kFirst = std::numeric_limits<float>::infinity();
  static float take(float a, float x) { return x < a || x != x ? x : a; }
  static float join(float a, float b) { return take(a, b); }
};

class ReduceKernel final : public tactic::Kernel {
 public:
  explicit ReduceKernel(const Work& work) : work_(work) {}

  Fault run(const Exec& exec) const noexcept override {
    switch (work_.reduce) {
      case Reduce::max:
        return run_as<Max>(exec);
      case Reduce::min:
        return run_as<Min>(exec);
      case Reduce::l1:
        return run_as<AddMagnitude>(exec);
      case Reduce::l2:
      case Reduce::sum_square:
        return run_as<AddSquare>(exec);
      default:
        return run_as<Add>(exec);
    }
  }

  std::string describe() const override { return fmt::format("{} x {} x {}", work_.outer, work_.reduced, work_.inner); }

 private:
  template <class F>
  Fault run_as(const Exec& exec) const {
    const auto* x = static_cast<const float*>(exec.inputs[0]);
    auto* y = static_cast<float*>(exec.outputs[0]);
    const int64_t strips = (work_.inner + kStrip - 1) / kStrip;
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(work_.outer * strips, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        const int64_t o = i / strips, first = i % strips * kStrip, count = std::min(kStrip, work_.inner - first);
        const float* from = x + o * work_.reduced * work_.inner + first;
        float* to = y + o * work_.inner + first;
        if (work_.inner == 1) {
          *to = finish(line<F>(from));
        } else if (count % kBlock == 0) {
          for (int64_t c = 0; c < count; c += kBlock) block<F>(from + c, to + c);
        } else {
          strip<F>(from, to, count);
        }
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  float finish(float v) const {
    if (work_.reduce == Reduce::mean) return v / static_cast<float>(work_.reduced);
    return work_.reduce == Reduce::l2 ? std::sqrt(v) : v;
  }

  /// Neighbouring elements: lanes of partial results, then the lanes in order.
  template <class F>
  float line(const float* from) const {
    constexpr int64_t kLanes = 32;
    float results[kLanes];
    std::fill(results, results + kLanes, F::kFirst);
    for (int64_t begin = 0; begin < work_.reduced; begin += kPart * kLanes) {
      const int64_t end = std::min(begin + kPart * kLanes, work_.reduced);
      float lanes[kLanes];
      std::fill(lanes, lanes + kLanes, F::kFirst);
      int64_t i = begin;
      for (; i + kLanes <= end; i += kLanes) {
        for (int64_t l = 0; l < kLanes; ++l) lanes[l] = F::take(lanes[l], from[i + l]);
      }
      for (int64_t l = 0; i < end; ++i, ++l) lanes[l] = F::take(lanes[l], from[i]);
      for (int64_t l = 0; l < kLanes; ++l) results[l] = F::join(results[l], lanes[l]);
    }
    for (int64_t half = kLanes / 2; half > 0; half /= 2) {
      for (int64_t l = 0; l < half; ++l) results[l] = F::join(results[l], results[l + half]);
    }
    return results[0];
  }

  /// 16 results side by side, two rows in flight.
  template <class F>
  void block(const float* from, float* to) const {
    float results[kBlock];
    std::fill(results, results + kBlock, F::kFirst);
    const int64_t step = work_.inner;
    for (int64_t r = 0; r < work_.reduced;) {
      const int64_t end = std::min(r + 2 * kPart, work_.reduced);
      float even[kBlock], odd[kBlock];
      std::fill(even, even + kBlock, F::kFirst);
      std::fill(odd, odd + kBlock, F::kFirst);
      for (; r + 2 <= end; r += 2, from += 2 * step) {
        for (int64_t l = 0; l < kBlock; ++l) even[l] = F::take(even[l], from[l]);
        for (int64_t l = 0; l < kBlock; ++l) odd[l] = F::take(odd[l], from[step + l]);
      }
      for (; r < end; ++r, from += step) {
        for (int64_t l = 0; l < kBlock; ++l) even[l] = F::take(even[l], from[l]);
      }
      for (int64_t l = 0; l < kBlock; ++l) results[l] = F::join(results[l], F::join(even[l], odd[l]));
    }
    for (int64_t l = 0; l < kBlock; ++l) to[l] = finish(results[l]);
  }

  template <class F>
  void strip(const float* from, float* to, int64_t count) const {
    float results[kStrip];
    std::fill(results, results + count, F::kFirst);
    for (int64_t r = 0; r < work_.reduced;) {
      float sums[kStrip];
      std::fill(sums, sums + count, F::kFirst);
      for (const int64_t end = std::min(r + kPart, work_.reduced); r < end; ++r, from += work_.inner) {
        for (int64_t l = 0; l < count; ++l) sums[l] = F::take(sums[l], from[l]);
      }
      for (int64_t l = 0; l < count; ++l) results[l] = F::join(results[l], sums[l]);
    }
    for (int64_t l = 0; l < count; ++l) to[l] = finish(results[l]);
  }

  Work work_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kElementsPerUs = 5e3;
  const auto elements = static_cast<double>(query.inputs[0].dims.count());
  tactic::Verdict verdict = tactic::Verdict::yes(0.3 + elements / kElementsPerUs / query.machine.threads, "loops");
  verdict.inputs = {work.format};
  verdict.outputs = {work.format};
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  return std::unique_ptr<tactic::Kernel>(std::make_unique<ReduceKernel>(work));
}

}  // namespace

tactic::TacticList reduce_tactic() {
  return {{"portable.reduce",
           Isa::portable,
           {"GlobalAveragePool", "GlobalMaxPool", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2",
            "ReduceSumSquare"},
           judge,
           build}};
}

}  // namespace slipway::kernels
