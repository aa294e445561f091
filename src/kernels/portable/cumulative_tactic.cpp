// CumSum: two rows at a time, or columns side by side. Floats accumulate in double, integers wrap.
#include <algorithm>
#include <type_traits>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "ops/reduce.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

/// [outer][extent][inner]
struct Work {
  int64_t outer = 1, extent = 1, inner = 1;
  bool exclusive = false, reverse = false;
};

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  const tactic::TensorDesc& x = query.inputs[0];
  if (x.type != ElementType::f32 && x.type != ElementType::i32 && x.type != ElementType::i64)
    return reason = "not f32, i32 or i64", false;
  if (x.dims.count() == 0) return reason = "empty", false;
  if (query.inputs[1].constant == nullptr || query.inputs[1].dims.count() != 1) return reason = "the axis is not constant", false;
  int64_t axis = to_int64s(*query.inputs[1].constant).front();
  const int rank = x.dims.rank();
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return reason = "the axis is out of range", false;
  const auto& attrs = query.node.attrs.as<ops::CumulativeAttrs>();
  const auto a = static_cast<int>(axis);
  work = {x.dims.count(0, a), x.dims[a], x.dims.count(a + 1, rank), attrs.exclusive, attrs.reverse};
  return true;
}

template <class T>
class CumulativeKernel final : public tactic::Kernel {
 public:
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;
  explicit CumulativeKernel(const Work& work) : work_(work) {}

  Fault run(const Exec& exec) const noexcept override {
    const auto* x = static_cast<const T*>(exec.inputs[0]);
    auto* y = static_cast<T*>(exec.outputs[0]);
    // Rows of neighbours side by side: their sums do not wait for each other.
    const bool rows = work_.inner == 1;
    const int64_t side = rows ? kRows : kColumns;
    const int64_t groups = rows ? (work_.outer + side - 1) / side : work_.outer * ((work_.inner + side - 1) / side);
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(groups, thread, threads);
      for (int64_t g = range.begin; g < range.end; ++g) {
        if (rows) {
          const int64_t first = g * kRows;
          const T* from = x + first * work_.extent;
          T* to = y + first * work_.extent;
          first + kRows <= work_.outer ? line<kRows>(from, to) : line<1>(from, to);
          continue;
        }
        const int64_t per = (work_.inner + side - 1) / side, column = g % per * side;
        const int64_t at = g / per * work_.extent * work_.inner + column, count = std::min(side, work_.inner - column);
        columns(x + at, y + at, count);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("{} x {} x {}", work_.outer, work_.extent, work_.inner); }

 private:
  static constexpr int64_t kRows = 2, kColumns = 512;

  /// Running sums of kCount rows.
  template <int64_t kCount>
  void line(const T* x, T* y) const {
    Sum sums[kCount] = {};
    const int64_t step = work_.reverse ? -1 : 1;
    int64_t at = work_.reverse ? work_.extent - 1 : 0;
    for (int64_t k = 0; k < work_.extent; ++k, at += step) {
      for (int64_t i = 0; i < kCount; ++i) {
        const Sum next = sums[i] + static_cast<Sum>(x[at + i * work_.extent]);
        y[at + i * work_.extent] = static_cast<T>(work_.exclusive ? sums[i] : next);
        sums[i] = next;
      }
    }
  }

  /// The same for `count` neighbouring columns.
  void columns(const T* x, T* y, int64_t count) const {
    Sum sums[kColumns];
    std::fill(sums, sums + count, Sum{0});
    for (int64_t k = 0; k < work_.extent; ++k) {
      const int64_t at = (work_.reverse ? work_.extent - 1 - k : k) * work_.inner;
      const T* from = x + at;
      T* to = y + at;
      if (work_.exclusive) {
        for (int64_t i = 0; i < count; ++i) {
          const Sum next = sums[i] + static_cast<Sum>(from[i]);
          to[i] = static_cast<T>(sums[i]);
          sums[i] = next;
        }
      } else {
        for (int64_t i = 0; i < count; ++i) {
          sums[i] += static_cast<Sum>(from[i]);
          to[i] = static_cast<T>(sums[i]);
        }
      }
    }
  }

  Work work_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kElementsPerUs = 1e3;
  const auto elements = static_cast<double>(query.inputs[0].dims.count());
  tactic::Verdict verdict = tactic::Verdict::yes(0.3 + elements / kElementsPerUs / query.machine.threads, "running sums");
  verdict.in_place = 0;
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  std::unique_ptr<tactic::Kernel> kernel;
  if (query.inputs[0].type == ElementType::f32) {
    kernel = std::make_unique<CumulativeKernel<float>>(work);
  } else if (query.inputs[0].type == ElementType::i32) {
    kernel = std::make_unique<CumulativeKernel<int32_t>>(work);
  } else {
    kernel = std::make_unique<CumulativeKernel<int64_t>>(work);
  }
  return kernel;
}

}  // namespace

tactic::TacticList cumulative_tactic() {
  return {{"portable.cumulative", Isa::portable, {"CumSum"}, judge, build}};
}

}  // namespace slipway::kernels
