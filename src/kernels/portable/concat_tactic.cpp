// Concat by runs of bytes: plain along any axis, blocked16 along any axis where whole blocks meet.
#include <algorithm>
#include <vector>

#include "base/format.hpp"
#include "kernels/portable/runs.hpp"
#include "kernels/registry.hpp"
#include "ops/concat.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::Format;
using tactic::TensorDesc;

constexpr int64_t kBlock = 16, kBlockBytes = 16384;

/// The extents of a tensor's buffer; blocked16: N, blocks, spatial..., 16.
Dims buffer_dims(const Dims& dims, Format format) {
  if (format == Format::plain) return dims;
  Dims out = dims;
  out[1] = (dims[1] + kBlock - 1) / kBlock;
  out.push_back(kBlock);
  return out;
}

int axis_of(const tactic::Query& query) {
  const int64_t axis = query.node.attrs.as<ops::ConcatAttrs>().axis;
  return static_cast<int>(axis < 0 ? axis + query.outputs[0].dims.rank() : axis);
}

Format format_of(const tactic::Query& query) {
  const Dims& out = query.outputs[0].dims;
  const int axis = axis_of(query);
  if (out.rank() < 3 || out.rank() >= kMaxRank) return Format::plain;
  int64_t blocked = 0, plain = 0;
  for (size_t i = 0; i < query.inputs.size(); ++i) {
    const TensorDesc& in = query.inputs[i];
    const bool last = i + 1 == query.inputs.size();
    if (axis == 1 && !last && in.dims[1] % kBlock != 0) return Format::plain;
    (in.format == Format::blocked16 ? blocked : plain) += in.dims.count();
  }
  return blocked > plain ? Format::blocked16 : Format::plain;
}

class ConcatKernel final : public tactic::Kernel {
 public:
  ConcatKernel(const tactic::Query& query, Format format) {
    const int axis = axis_of(query);
    const Dims out = buffer_dims(query.outputs[0].dims, format);
    const int64_t width = bits(query.outputs[0].type) / 8;
    outer_ = out.count(0, axis);
    out_run_ = out.count(axis, out.rank()) * width;
    int64_t at = 0;
    for (size_t i = 0; i < query.inputs.size(); ++i) {
      const Dims in = buffer_dims(query.inputs[i].dims, format);
      const int64_t bytes = in.count(axis, in.rank()) * width;
      if (bytes > 0) parts_.push_back({i, at, bytes});
      at += bytes;
    }
  }

  Fault run(const Exec& exec) const noexcept override {
    auto task = [&](int thread, int threads) {
      const bool by_outer = outer_ >= 2 * threads;
      const Team::Range outer = by_outer ? Team::share(outer_, thread, threads) : Team::Range{0, outer_};
      // So many rows at a time that they stay in cache until every part is in.
      const int64_t step = std::max<int64_t>(1, kBlockBytes / std::max<int64_t>(out_run_, 1));
      for (int64_t o = outer.begin; o < outer.end; o += step) {
        const int64_t rows = std::min(step, outer.end - o);
        for (const Part& part : parts_) {
          const Team::Range bytes = by_outer ? Team::Range{0, part.bytes} : Team::share(part.bytes, thread, threads);
          runs::copy_rows(static_cast<std::byte*>(exec.outputs[0]) + o * out_run_ + part.at + bytes.begin, out_run_,
                          static_cast<const std::byte*>(exec.inputs[part.input]) + o * part.bytes + bytes.begin, part.bytes,
                          bytes.end - bytes.begin, rows);
        }
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  struct Part {
    size_t input;
    int64_t at, bytes;  ///< in one run of the output
  };
  std::vector<Part> parts_;
  int64_t outer_ = 1, out_run_ = 0;
};

tactic::Verdict judge(const tactic::Query& query) {
  const TensorDesc& out = query.outputs[0];
  if (out.type == ElementType::string || bits(out.type) < 8) return tactic::Verdict::no("packed elements or strings");
  if (out.dims.count() == 0) return tactic::Verdict::no("empty");
  for (const TensorDesc& in : query.inputs) {
    if (in.absent() || in.dims.rank() != out.dims.rank()) return tactic::Verdict::no("ranks differ");
  }
  constexpr double kBytesPerUs = 10e3;
  const Format format = format_of(query);
  const auto bytes = static_cast<double>(byte_size(out.type, out.dims.count()));
  tactic::Verdict verdict = tactic::Verdict::yes(0.3 + 2 * bytes / kBytesPerUs / query.machine.threads, "copies");
  verdict.inputs.assign(query.inputs.size(), format);
  verdict.outputs = {format};
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict& verdict, tactic::BuildContext&) {
  return std::unique_ptr<tactic::Kernel>(std::make_unique<ConcatKernel>(query, verdict.output(0)));
}

}  // namespace

tactic::TacticList concat_tactic() {
  return {{"portable.concat", Isa::portable, {"Concat"}, judge, build}};
}

}  // namespace slipway::kernels
