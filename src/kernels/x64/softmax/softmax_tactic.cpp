// Softmax and LogSoftmax: the last axis row by row, any other axis by sixteen neighbouring columns.
#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/rows/rows.hpp"
#include "ops/softmax.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

/// [outer][n][step]
struct Lines {
  int64_t outer = 1, n = 1, step = 1;
};

bool read_lines(const tactic::Query& query, Lines& lines, std::string& reason) {
  const tactic::TensorDesc& x = query.inputs[0];
  if (x.type != ElementType::f32) return reason = "f32 only", false;
  const int rank = x.dims.rank();
  if (rank == 0 || x.dims.count() == 0) return reason = "empty or a scalar", false;
  const int64_t said = query.node.attrs.as<ops::SoftmaxAttrs>().axis;
  const int axis = static_cast<int>(said < 0 ? said + rank : said);
  lines = {x.dims.count(0, axis), x.dims[axis], x.dims.count(axis + 1, rank)};
  return true;
}

class SoftmaxKernel final : public tactic::Kernel {
 public:
  SoftmaxKernel(const Lines& lines, bool log, Isa isa) : lines_(lines), log_(log), functions_(rows::functions(isa)) {}

  Fault run(const Exec& exec) const noexcept override {
    const auto* x = static_cast<const float*>(exec.inputs[0]);
    auto* y = static_cast<float*>(exec.outputs[0]);
    const int64_t groups = (lines_.step + rows::kLanes - 1) / rows::kLanes;
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(lines_.outer * groups, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        const int64_t column = i % groups * rows::kLanes, at = i / groups * lines_.n * lines_.step + column;
        if (lines_.step == 1) {
          (log_ ? functions_.log_softmax : functions_.softmax)(x + at, y + at, lines_.n);
        } else {
          const int64_t count = lines_.step - column < rows::kLanes ? lines_.step - column : rows::kLanes;
          (log_ ? functions_.log_softmax_columns : functions_.softmax_columns)(x + at, y + at, lines_.n, lines_.step, count);
        }
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("lines of {}, step {}", lines_.n, lines_.step); }

 private:
  Lines lines_;
  bool log_;
  const rows::Functions& functions_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Lines lines;
  std::string reason;
  if (!read_lines(query, lines, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kElementsPerUs = 2500;
  const auto elements = static_cast<double>(lines.outer * lines.n * lines.step);
  tactic::Verdict verdict =
      tactic::Verdict::yes(0.5 + elements / kElementsPerUs / query.machine.threads, lines.step == 1 ? "rows" : "columns");
  verdict.in_place = 0;
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  Lines lines;
  std::string reason;
  if (!read_lines(query, lines, reason)) return Error(ErrorCode::internal, reason);
  return std::unique_ptr<tactic::Kernel>(std::make_unique<SoftmaxKernel>(lines, query.is("LogSoftmax"), query.machine.isa));
}

}  // namespace

tactic::TacticList softmax_tactic() {
  return {{"x64.softmax", Isa::avx2, {"Softmax", "LogSoftmax"}, judge, build}};
}

}  // namespace slipway::kernels
