// TopK: each line keeps its k best so far in order; most elements only meet the last of them.
#include <algorithm>
#include <type_traits>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "ops/topk.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

/// Up to so many places are kept by insertion; more by a heap.
constexpr int64_t kFew = 32;

/// [outer][extent][inner] to [outer][k][inner]
struct Work {
  int64_t outer = 1, extent = 1, inner = 1, k = 1;
};

template <class T>
struct Entry {
  T value;
  int64_t index;
};

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  const tactic::TensorDesc& x = query.inputs[0];
  if (x.type != ElementType::f32 && x.type != ElementType::i32 && x.type != ElementType::i64)
    return reason = "not f32, i32 or i64", false;
  const Dims& in = x.dims;
  const tactic::TensorDesc& out = query.outputs[0].absent() ? query.outputs[1] : query.outputs[0];
  if (in.count() == 0 || out.dims.count() == 0) return reason = "empty", false;
  const int64_t given = query.node.attrs.as<ops::TopKAttrs>().axis;
  const int axis = static_cast<int>(given < 0 ? given + in.rank() : given);
  work = {in.count(0, axis), in[axis], in.count(axis + 1, in.rank()), out.dims[axis]};
  return work.k <= work.extent ? true : (reason = "more asked for than there are", false);
}

template <class T, bool kLargest>
class TopKKernel final : public tactic::Kernel {
 public:
  TopKKernel(const Work& work, size_t scratch_of_thread) : work_(work), scratch_(scratch_of_thread) {}

  Fault run(const Exec& exec) const noexcept override {
    const auto* x = static_cast<const T*>(exec.inputs[0]);
    auto* values = static_cast<T*>(exec.outputs[0]);
    auto* indices = static_cast<int64_t*>(exec.outputs[1]);
    auto task = [&](int thread, int threads) {
      auto* best = reinterpret_cast<Entry<T>*>(exec.scratch + static_cast<size_t>(thread) * scratch_);
      const Team::Range range = Team::share(work_.outer * work_.inner, thread, threads);
      for (int64_t l = range.begin; l < range.end; ++l) {
        const int64_t o = l / work_.inner, i = l % work_.inner;
        const T* line = x + o * work_.extent * work_.inner + i;
        work_.k <= kFew ? few(line, best) : many(line, best);
        for (int64_t r = 0; r < work_.k; ++r) {
          const int64_t at = (o * work_.k + r) * work_.inner + i;
          if (values != nullptr) values[at] = best[r].value;
          if (indices != nullptr) indices[at] = best[r].index;
        }
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("{} of {}", work_.k, work_.extent); }

 private:
  /// Whether a stands strictly before b; NaN is larger than any number.
  static bool before(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      return kLargest ? a > b || (a != a && b == b) : a < b || (b != b && a == a);
    } else {
      return kLargest ? a > b : a < b;
    }
  }
  static bool entry_before(const Entry<T>& a, const Entry<T>& b) {
    return before(a.value, b.value) || (!before(b.value, a.value) && a.index < b.index);
  }

  /// Of equal elements the first: a later one does not pass it.
  void few(const T* line, Entry<T>* best) const {
    int64_t kept = 0;
    for (int64_t j = 0; j < work_.extent; ++j) {
      const T value = line[j * work_.inner];
      if (kept == work_.k && !before(value, best[kept - 1].value)) continue;
      int64_t at = kept < work_.k ? kept++ : kept - 1;
      for (; at > 0 && before(value, best[at - 1].value); --at) best[at] = best[at - 1];
      best[at] = {value, j};
    }
  }

  void many(const T* line, Entry<T>* best) const {
    const int64_t k = work_.k;
    for (int64_t j = 0; j < k; ++j) best[j] = {line[j * work_.inner], j};
    std::make_heap(best, best + k, entry_before);  // the worst on top
    for (int64_t j = k; j < work_.extent; ++j) {
      const Entry<T> entry{line[j * work_.inner], j};
      if (!entry_before(entry, best[0])) continue;
      std::pop_heap(best, best + k, entry_before);
      best[k - 1] = entry;
      std::push_heap(best, best + k, entry_before);
    }
    std::sort_heap(best, best + k, entry_before);
  }

  Work work_;
  size_t scratch_;
};

template <class T>
std::unique_ptr<tactic::Kernel> kernel_of(const Work& work, bool largest, size_t scratch) {
  if (largest) return std::make_unique<TopKKernel<T, true>>(work, scratch);
  return std::make_unique<TopKKernel<T, false>>(work, scratch);
}

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kElementsPerUs = 500;
  const auto elements = static_cast<double>(query.inputs[0].dims.count());
  return tactic::Verdict::yes(0.5 + elements / kElementsPerUs / query.machine.threads, work.k <= kFew ? "insertion" : "heap");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  const size_t scratch = (static_cast<size_t>(work.k) * sizeof(Entry<int64_t>) + 63) / 64 * 64;
  context.book_scratch(scratch * static_cast<size_t>(query.machine.threads));
  const bool largest = query.node.attrs.as<ops::TopKAttrs>().largest;
  if (query.inputs[0].type == ElementType::f32) return kernel_of<float>(work, largest, scratch);
  if (query.inputs[0].type == ElementType::i32) return kernel_of<int32_t>(work, largest, scratch);
  return kernel_of<int64_t>(work, largest, scratch);
}

}  // namespace

tactic::TacticList topk_tactic() {
  return {{"portable.topk", Isa::portable, {"TopK"}, judge, build}};
}

}  // namespace slipway::kernels
