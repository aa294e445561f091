// Concat of channels on blocked16 where the inputs' channels are whole quarters of a block but not whole blocks: each block of
// the output is gathered from runs of lanes.
#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/registry.hpp"
#include "ops/concat.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::Format;

constexpr int64_t kBlock = 16, kQuarter = 4, kElementBytes = 4;

/// Lanes of one block of an input that stand in one block of the output.
struct Run {
  size_t input = 0;
  int64_t in_block = 0, in_lane = 0, out_block = 0, out_lane = 0, lanes = 0;
};

template <size_t kBytes>
void copy_lanes(const std::byte* from, std::byte* to, int64_t pixels) {
  for (int64_t p = 0; p < pixels; ++p, from += kBlock * kElementBytes, to += kBlock * kElementBytes)
    std::memcpy(to, from, kBytes);
}

class ConcatLanesKernel final : public tactic::Kernel {
 public:
  explicit ConcatLanesKernel(const tactic::Query& query) {
    const Dims& out = query.outputs[0].dims;
    batch_ = out[0];
    pixels_ = out.count(2, out.rank());
    out_blocks_ = (out[1] + kBlock - 1) / kBlock;
    int64_t channel = 0;
    for (size_t i = 0; i < query.inputs.size(); ++i) {
      const int64_t channels = query.inputs[i].dims[1];
      in_blocks_.push_back((channels + kBlock - 1) / kBlock);
      for (int64_t c = 0; c < channels;) {
        const int64_t at = channel + c;
        const int64_t lanes = std::min({channels - c, kBlock - c % kBlock, kBlock - at % kBlock});
        runs_.push_back({i, c / kBlock, c % kBlock, at / kBlock, at % kBlock, (lanes + kQuarter - 1) / kQuarter * kQuarter});
        c += lanes;
      }
      channel += channels;
    }
  }

  Fault run(const Exec& exec) const noexcept override {
    auto task = [&](int thread, int threads) {
      const auto runs = static_cast<int64_t>(runs_.size());
      const Team::Range range = Team::share(batch_ * runs, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) copy(exec, i / runs, runs_[static_cast<size_t>(i % runs)]);
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  void copy(const Exec& exec, int64_t n, const Run& run) const {
    const auto place = [&](int64_t block, int64_t lane) { return (block * pixels_ * kBlock + lane) * kElementBytes; };
    const auto* from =
        static_cast<const std::byte*>(exec.inputs[run.input]) + place(n * in_blocks_[run.input] + run.in_block, run.in_lane);
    auto* to = static_cast<std::byte*>(exec.outputs[0]) + place(n * out_blocks_ + run.out_block, run.out_lane);
    switch (run.lanes / kQuarter) {
      case 1:
        return copy_lanes<16>(from, to, pixels_);
      case 2:
        return copy_lanes<32>(from, to, pixels_);
      case 3:
        return copy_lanes<48>(from, to, pixels_);
      default:
        return copy_lanes<64>(from, to, pixels_);
    }
  }

  int64_t batch_ = 1, pixels_ = 1, out_blocks_ = 1;
  std::vector<int64_t> in_blocks_;
  std::vector<Run> runs_;
};

tactic::Verdict judge(const tactic::Query& query) {
  const tactic::TensorDesc& out = query.outputs[0];
  if (bits(out.type) != kElementBytes * 8) return tactic::Verdict::no("not elements of four bytes");
  if (out.dims.count() == 0 || out.dims.rank() < 3) return tactic::Verdict::no("empty or without space");
  const int64_t axis = query.node.attrs.as<ops::ConcatAttrs>().axis;
  if (axis != 1 && axis + out.dims.rank() != 1) return tactic::Verdict::no("not along channels");
  bool whole_blocks = true;
  for (size_t i = 0; i < query.inputs.size(); ++i) {
    if (query.inputs[i].absent() || query.inputs[i].dims.rank() != out.dims.rank()) return tactic::Verdict::no("ranks differ");
    if (i + 1 == query.inputs.size()) break;  // what follows the last input's channels is nobody's
    if (query.inputs[i].dims[1] % kQuarter != 0) return tactic::Verdict::no("channels are not whole quarters of a block");
    whole_blocks = whole_blocks && query.inputs[i].dims[1] % kBlock == 0;
  }
  if (whole_blocks) return tactic::Verdict::no("whole blocks of channels are copied as they are");
  constexpr double kBytesPerUs = 8e3;
  const auto bytes = static_cast<double>(byte_size(out.type, out.dims.count()));
  tactic::Verdict verdict = tactic::Verdict::yes(0.3 + 2 * bytes / kBytesPerUs / query.machine.threads, "runs of lanes");
  verdict.inputs.assign(query.inputs.size(), Format::blocked16);
  verdict.outputs = {Format::blocked16};
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  return std::unique_ptr<tactic::Kernel>(std::make_unique<ConcatLanesKernel>(query));
}

}  // namespace

tactic::TacticList concat_lanes_tactic() {
  return {{"portable.concat_lanes", Isa::portable, {"Concat"}, judge, build}};
}

}  // namespace slipway::kernels
