// Pad by reflection, edge or wrap: each axis through a table of the positions it repeats, the data itself row by row. (Constant
// padding is portable.move's.)
#include <algorithm>
#include <vector>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "ops/pad.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

/// For each output position of an axis, where its element stands: elements from the input's start along this axis.
using Table = std::vector<int64_t>;

bool read_tables(const tactic::Query& query, std::vector<Table>& tables, std::string& reason) {
  const Dims &in = query.inputs[0].dims, &out = query.outputs[0].dims, strides = in.strides();
  const std::string& mode = query.node.attrs.as<ops::PadAttrs>().mode;
  const ElementType type = query.inputs[0].type;
  if (mode == "constant") return reason = "constant padding", false;
  if (type == ElementType::string || bits(type) < 8 || bits(type) > 64) return reason = "packed elements or strings", false;
  if (in.count() == 0 || out.count() == 0 || in.rank() == 0) return reason = "empty", false;
  for (const size_t i : {size_t{1}, size_t{3}}) {
    if (query.has(i) && query.inputs[i].constant == nullptr) return reason = "the extents are not constant", false;
  }
  const std::vector<int64_t> pads = to_int64s(*query.inputs[1].constant);
  std::vector<int64_t> axes;
  if (query.has(3)) axes = to_int64s(*query.inputs[3].constant);
  if (axes.empty()) {
    for (int i = 0; i < in.rank(); ++i) axes.push_back(i);
  }
  if (pads.size() != 2 * axes.size()) return reason = "the pads do not fit the axes", false;
  std::vector<int64_t> begins(static_cast<size_t>(in.rank()), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = axes[i] < 0 ? axes[i] + in.rank() : axes[i];
    if (axis < 0 || axis >= in.rank()) return reason = "an axis is out of range", false;
    begins[static_cast<size_t>(axis)] = pads[i];
  }
  for (int i = 0; i < in.rank(); ++i) {
    Table table;
    for (int64_t o = 0; o < out[i]; ++o)
      table.push_back(ops::pad_source(mode, o - begins[static_cast<size_t>(i)], in[i]) * strides[i]);
    tables.push_back(std::move(table));
  }
  return true;
}

template <class T>
class PadKernel final : public tactic::Kernel {
 public:
  explicit PadKernel(std::vector<Table> tables) : tables_(std::move(tables)) {
    for (size_t i = 0; i + 1 < tables_.size(); ++i) rows_ *= static_cast<int64_t>(tables_[i].size());
    // The longest part that counts up from where it stands: the data between its borders.
    const Table& columns = tables_.back();
    for (size_t begin = 0, end; begin < columns.size(); begin = end) {
      for (end = begin + 1; end < columns.size() && columns[end] == columns[end - 1] + 1;) ++end;
      if (end - begin > inner_end_ - inner_begin_) inner_begin_ = begin, inner_end_ = end;
    }
  }

  Fault run(const Exec& exec) const noexcept override {
    const auto* in = static_cast<const T*>(exec.inputs[0]);
    auto* out = static_cast<T*>(exec.outputs[0]);
    const Table& columns = tables_.back();
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(rows_, thread, threads);
      for (int64_t row = range.begin; row < range.end; ++row) {
        const T* from = in;
        int64_t rest = row;
        for (size_t i = tables_.size() - 1; i-- > 0;) {
          const auto extent = static_cast<int64_t>(tables_[i].size());
          from += tables_[i][static_cast<size_t>(rest % extent)];
          rest /= extent;
        }
        T* to = out + row * static_cast<int64_t>(columns.size());
        for (size_t i = 0; i < inner_begin_; ++i) to[i] = from[columns[i]];
        std::copy_n(from + columns[inner_begin_], inner_end_ - inner_begin_, to + inner_begin_);
        for (size_t i = inner_end_; i < columns.size(); ++i) to[i] = from[columns[i]];
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  std::vector<Table> tables_;
  int64_t rows_ = 1;
  size_t inner_begin_ = 0, inner_end_ = 0;
};

tactic::Verdict judge(const tactic::Query& query) {
  std::vector<Table> tables;
  std::string reason;
  if (!read_tables(query, tables, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kElementsPerUs = 1e3;
  return tactic::Verdict::yes(0.3 + static_cast<double>(query.outputs[0].dims.count()) / kElementsPerUs / query.machine.threads,
                              "tables");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  std::vector<Table> tables;
  std::string reason;
  if (!read_tables(query, tables, reason)) return Error(ErrorCode::internal, reason);
  std::unique_ptr<tactic::Kernel> kernel;
  switch (bits(query.inputs[0].type)) {
    case 8:
      kernel = std::make_unique<PadKernel<uint8_t>>(std::move(tables));
      break;
    case 16:
      kernel = std::make_unique<PadKernel<uint16_t>>(std::move(tables));
      break;
    case 32:
      kernel = std::make_unique<PadKernel<uint32_t>>(std::move(tables));
      break;
    default:
      kernel = std::make_unique<PadKernel<uint64_t>>(std::move(tables));
      break;
  }
  return kernel;
}

}  // namespace

tactic::TacticList pad_tactic() {
  return {{"portable.pad", Isa::portable, {"Pad"}, judge, build}};
}

}  // namespace slipway::kernels
