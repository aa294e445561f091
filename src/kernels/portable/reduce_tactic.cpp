// Sums, means and extremes over neighbouring axes of f32 and integers, plain or over the pixels of blocked16; the global pools
// among them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
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
constexpr int64_t kStrip = 512;
/// A partial result takes in this many elements, then it joins the others: long sums stay as good as short ones.
constexpr int64_t kPart = 256;

enum class Reduce : uint8_t { sum, mean, max, min, l1, l2, sum_square };

/// The input as [outer][reduced][inner].
struct Work {
  Reduce reduce = Reduce::sum;
  int64_t outer = 1, reduced = 1, inner = 1;
  Format format = Format::plain;
  ElementType type = ElementType::f32;
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
  if (x.dims.count() == 0) return reason = "empty", false;
  for (const Named& row : kNames) {
    if (query.is(row.op)) work.reduce = row.reduce;
  }
  work.type = x.type;
  const bool extreme = work.reduce == Reduce::max || work.reduce == Reduce::min;
  const bool narrow = x.type == ElementType::i8 || x.type == ElementType::u8;
  const bool wide = x.type == ElementType::i32 || x.type == ElementType::i64;
  if (x.type != ElementType::f32 && !(extreme && (narrow || wide)) && !(wide && work.reduce == Reduce::sum))
    return reason = "no loops for this type", false;
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

template <class T>
struct Loops {
  T (*line)(const T* from, int64_t count);
  void (*block)(const T* from, T* to, int64_t reduced, int64_t step);
  void (*strip)(const T* from, T* to, int64_t reduced, int64_t step, int64_t count);
};

namespace baseline {
#define SLIPWAY_LOOP
#include "kernels/portable/reduce_loops.inc"
#undef SLIPWAY_LOOP
}  // namespace baseline

namespace avx2 {
#define SLIPWAY_LOOP __attribute__((target("avx2")))
#include "kernels/portable/reduce_loops.inc"
#undef SLIPWAY_LOOP
}  // namespace avx2

template <class T>
class ReduceKernel final : public tactic::Kernel {
 public:
  ReduceKernel(const Work& work, Isa isa)
      : work_(work), loops_(isa >= Isa::avx2 ? avx2::loops_of<T>(work.reduce) : baseline::loops_of<T>(work.reduce)) {}

  Fault run(const Exec& exec) const noexcept override {
    const auto* x = static_cast<const T*>(exec.inputs[0]);
    auto* y = static_cast<T*>(exec.outputs[0]);
    const int64_t strips = (work_.inner + kStrip - 1) / kStrip;
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(work_.outer * strips, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        const int64_t o = i / strips, first = i % strips * kStrip, count = std::min(kStrip, work_.inner - first);
        const T* from = x + o * work_.reduced * work_.inner + first;
        T* to = y + o * work_.inner + first;
        if (work_.inner == 1) {
          *to = loops_.line(from, work_.reduced);
        } else if (work_.inner == kBlock) {
          loops_.block(from, to, work_.reduced, work_.inner);
        } else {
          loops_.strip(from, to, work_.reduced, work_.inner, count);
        }
        if constexpr (std::is_same_v<T, float>) finish(to, count);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("{} x {} x {}", work_.outer, work_.reduced, work_.inner); }

 private:
  void finish(float* to, int64_t count) const {
    if (work_.reduce == Reduce::mean) {
      for (int64_t i = 0; i < count; ++i) to[i] /= static_cast<float>(work_.reduced);
    } else if (work_.reduce == Reduce::l2) {
      for (int64_t i = 0; i < count; ++i) to[i] = std::sqrt(to[i]);
    }
  }

  Work work_;
  const Loops<T>& loops_;
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
  std::unique_ptr<tactic::Kernel> kernel;
  switch (work.type) {
    case ElementType::i8:
      kernel = std::make_unique<ReduceKernel<int8_t>>(work, query.machine.isa);
      break;
    case ElementType::u8:
      kernel = std::make_unique<ReduceKernel<uint8_t>>(work, query.machine.isa);
      break;
    case ElementType::i32:
      kernel = std::make_unique<ReduceKernel<int32_t>>(work, query.machine.isa);
      break;
    case ElementType::i64:
      kernel = std::make_unique<ReduceKernel<int64_t>>(work, query.machine.isa);
      break;
    default:
      kernel = std::make_unique<ReduceKernel<float>>(work, query.machine.isa);
      break;
  }
  return kernel;
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
