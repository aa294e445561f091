// GatherElements and ScatterElements (without reduction): an index for each element, row by row of the last axis.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "kernels/portable/index_fault.hpp"
#include "kernels/registry.hpp"
#include "ops/gather.hpp"
#include "ops/scatter.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

/// The indices as rows of neighbours, and where each row's elements stand in the data.
struct Rows {
  Dims outer;         ///< extents of the indices without the last axis
  Dims outer_stride;  ///< in the data; 0 along the indexed axis
  int64_t count = 1, columns = 1;
  int64_t column_step = 0;  ///< of the data along the last axis; 0 where it is the indexed one
  int64_t axis_step = 1, extent = 1;

  int64_t data_of(int64_t row) const {
    int64_t at = 0;
    for (int a = outer.rank(); a-- > 0;) {
      at += row % outer[a] * outer_stride[a];
      row /= outer[a];
    }
    return at;
  }
};

struct Work {
  Rows rows;
  bool scatter = false;
  int64_t data_bytes = 0;
  int width = 4;
  bool by_rows = true;  ///< rows may be written at the same time
};

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  const tactic::TensorDesc &data = query.inputs[0], &indices = query.inputs[1];
  work.scatter = query.is("ScatterElements");
  work.width = bits(data.type) / 8;
  if (data.type == ElementType::string || bits(data.type) < 8 || bits(data.type) > 64)
    return reason = "packed elements or strings", false;
  if (indices.type != ElementType::i64 && indices.type != ElementType::i32) return reason = "indices are not i32 or i64", false;
  const int rank = data.dims.rank();
  if (rank == 0 || indices.dims.rank() != rank || indices.dims.count() == 0 || data.dims.count() == 0)
    return reason = "empty or a scalar", false;
  int64_t axis = 0;
  if (work.scatter) {
    const auto& attrs = query.node.attrs.as<ops::ScatterAttrs>();
    if (attrs.reduction != "none") return reason = "with a reduction", false;
    if (query.inputs[2].dims != indices.dims) return reason = "updates that do not fit", false;
    axis = attrs.axis;
  } else {
    axis = query.node.attrs.as<ops::GatherAttrs>().axis;
  }
  if (axis < 0) axis += rank;
  const Dims strides = data.dims.strides();
  Rows& rows = work.rows;
  for (int a = 0; a < rank; ++a) {
    if (a != axis && indices.dims[a] > data.dims[a]) return reason = "more indices than elements on an axis", false;
    if (a + 1 == rank) continue;
    rows.outer.push_back(indices.dims[a]);
    rows.outer_stride.push_back(a == axis ? 0 : strides[a]);
  }
  rows.columns = indices.dims[rank - 1];
  rows.count = indices.dims.count() / rows.columns;
  rows.column_step = axis + 1 == rank ? 0 : 1;
  rows.axis_step = strides[static_cast<int>(axis)];
  rows.extent = data.dims[static_cast<int>(axis)];
  work.data_bytes = data.dims.count() * work.width;
  work.by_rows = axis + 1 == rank || !work.scatter;
  return true;
}

template <class T, class Index>
class ElementsKernel final : public tactic::Kernel {
 public:
  explicit ElementsKernel(Work work) : work_(std::move(work)) {}

  Fault run(const Exec& exec) const noexcept override {
    if (work_.scatter && exec.inputs[0] != exec.outputs[0]) {
      auto copy = [&](int thread, int threads) {
        const Team::Range r = Team::share(work_.data_bytes, thread, threads);
        std::memcpy(static_cast<std::byte*>(exec.outputs[0]) + r.begin, static_cast<const std::byte*>(exec.inputs[0]) + r.begin,
                    static_cast<size_t>(r.end - r.begin));
      };
      exec.team.run(copy);
    }
    const auto* indices = static_cast<const Index*>(exec.inputs[1]);
    std::atomic<bool> failed = false;
    auto task = [&](int thread, int threads) {
      if (!work_.by_rows && thread > 0) return;  // later updates win
      const Team::Range range = Team::share(work_.rows.count, thread, work_.by_rows ? threads : 1);
      bool bad = false;
      for (int64_t row = range.begin; row < range.end; ++row) {
        work_.scatter ? scatter(exec, indices, row, bad) : gather(exec, indices, row, bad);
      }
      if (bad) failed = true;
    };
    exec.team.run(task);
    return failed ? fault(exec, indices) : Fault::none;
  }

 private:
  void gather(const Exec& exec, const Index* indices, int64_t row, bool& bad) const {
    const Rows& r = work_.rows;
    const T* data = static_cast<const T*>(exec.inputs[0]) + r.data_of(row);
    T* out = static_cast<T*>(exec.outputs[0]) + row * r.columns;
    indices += row * r.columns;
    for (int64_t c = 0; c < r.columns; ++c)
      out[c] = data[c * r.column_step + position(static_cast<int64_t>(indices[c]), r.extent, bad) * r.axis_step];
  }
  void scatter(const Exec& exec, const Index* indices, int64_t row, bool& bad) const {
    const Rows& r = work_.rows;
    T* out = static_cast<T*>(exec.outputs[0]) + r.data_of(row);
    const T* updates = static_cast<const T*>(exec.inputs[2]) + row * r.columns;
    indices += row * r.columns;
    for (int64_t c = 0; c < r.columns; ++c)
      out[c * r.column_step + position(static_cast<int64_t>(indices[c]), r.extent, bad) * r.axis_step] = updates[c];
  }
  Fault fault(const Exec& exec, const Index* indices) const {
    const Rows& r = work_.rows;
    const Index* const end = indices + r.count * r.columns;
    const Index* at = std::find_if(indices, end, [&](Index i) { return i < -r.extent || i >= r.extent; });
    return index_fault(exec, work_.scatter ? "ScatterElements" : "GatherElements", static_cast<int64_t>(*at), r.extent);
  }

  Work work_;
};

template <class Index>
std::unique_ptr<tactic::Kernel> kernel_of(Work work) {
  switch (work.width) {
    case 1:
      return std::make_unique<ElementsKernel<uint8_t, Index>>(std::move(work));
    case 2:
      return std::make_unique<ElementsKernel<uint16_t, Index>>(std::move(work));
    case 4:
      return std::make_unique<ElementsKernel<uint32_t, Index>>(std::move(work));
    default:
      return std::make_unique<ElementsKernel<uint64_t, Index>>(std::move(work));
  }
}

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kElementsPerUs = 1e3, kBytesPerUs = 10e3;
  const double copied = work.scatter ? static_cast<double>(work.data_bytes) / kBytesPerUs : 0;
  const auto elements = static_cast<double>(query.inputs[1].dims.count());
  tactic::Verdict verdict = tactic::Verdict::yes(0.3 + copied + elements / kElementsPerUs, "rows");
  if (work.scatter) verdict.in_place = 0;
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  return query.inputs[1].type == ElementType::i64 ? kernel_of<int64_t>(std::move(work)) : kernel_of<int32_t>(std::move(work));
}

}  // namespace

tactic::TacticList scatter_gather_tactic() {
  return {{"portable.elements", Isa::portable, {"GatherElements", "ScatterElements"}, judge, build}};
}

}  // namespace slipway::kernels
