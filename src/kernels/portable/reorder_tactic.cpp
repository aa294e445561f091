// Changing a tensor's format: plain, channels_last and blocked16 into each other; also the plain copy.
#include <algorithm>
#include <cstring>

#include "kernels/portable/transpose_tile.hpp"
#include "kernels/registry.hpp"
#include "tactic/reorder.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::Format;

constexpr int64_t kBlock = 16;

/// Element strides of an N x C x P tensor: batch, block of 16 channels, channel in its block, pixel.
struct Strides {
  int64_t n, block, channel, pixel;
};
Strides strides_of(Format format, int64_t channels, int64_t pixels) {
  switch (format) {
    case Format::plain:
      return {channels * pixels, kBlock * pixels, pixels, 1};
    case Format::channels_last:
      return {channels * pixels, kBlock, 1, channels};
    case Format::blocked16:
      return {(channels + kBlock - 1) / kBlock * kBlock * pixels, kBlock * pixels, 1, kBlock};
  }
  return {};
}

template <class T>
class ReorderKernel : public tactic::Kernel {
 public:
  ReorderKernel(const Dims& dims, Format from, Format to)
      : batch_(dims[0]),
        channels_(dims[1]),
        pixels_(dims.count(2, dims.rank())),
        from_(strides_of(from, channels_, pixels_)),
        to_(strides_of(to, channels_, pixels_)) {}

  Fault run(const Exec& exec) const noexcept override {
    const T* in = static_cast<const T*>(exec.inputs[0]);
    T* out = static_cast<T*>(exec.outputs[0]);
    const int64_t blocks = (channels_ + kBlock - 1) / kBlock;
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(batch_ * blocks, thread, threads);
      for (int64_t item = range.begin; item < range.end; ++item) {
        const int64_t n = item / blocks, b = item % blocks;
        const int64_t lanes = std::min(kBlock, channels_ - b * kBlock);
        move_block(in + n * from_.n + b * from_.block, out + n * to_.n + b * to_.block, lanes);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  void move_block(const T* in, T* out, int64_t lanes) const {
    constexpr int64_t kTile = 64;  // pixels; both sides of the transpose stay in L1
    constexpr int64_t kSide = tile::kSide<T>;
    if (lanes >= kSide && pixels_ >= kSide && from_.pixel == 1 && to_.channel == 1) {
      return turn(in, from_.channel, pixels_, out, to_.pixel, lanes);
    }
    if (lanes >= kSide && pixels_ >= kSide && from_.channel == 1 && to_.pixel == 1) {
      return turn(in, from_.pixel, lanes, out, to_.channel, pixels_);
    }
    for (int64_t p0 = 0; p0 < pixels_; p0 += kTile) {
      const int64_t p1 = std::min(pixels_, p0 + kTile);
      for (int64_t c = 0; c < lanes; ++c) {
        const T* from = in + c * from_.channel;
        T* to = out + c * to_.channel;
        for (int64_t p = p0; p < p1; ++p) to[p * to_.pixel] = from[p * from_.pixel];
      }
    }
  }

  /// out[i * to_step + j] = in[j * from_step + i] for i < rows, j < columns, by squares; the last ones overlap those before.
  static void turn(const T* in, int64_t from_step, int64_t rows, T* out, int64_t to_step, int64_t columns) {
    constexpr int64_t kSide = tile::kSide<T>;
    for (int64_t i = 0; i < rows; i += kSide) {
      const int64_t row = std::min(i, rows - kSide);
      for (int64_t j = 0; j < columns; j += kSide) {
        const int64_t column = std::min(j, columns - kSide);
        tile::turn(in + row + column * from_step, from_step, out + row * to_step + column, to_step);
      }
    }
  }

  int64_t batch_, channels_, pixels_;
  Strides from_, to_;
};

class CopyKernel : public tactic::Kernel {
 public:
  explicit CopyKernel(size_t bytes) : bytes_(bytes) {}
  Fault run(const Exec& exec) const noexcept override {
    auto task = [&](int thread, int threads) {
      constexpr int64_t kLine = 64;
      const int64_t lines = (static_cast<int64_t>(bytes_) + kLine - 1) / kLine;
      const Team::Range range = Team::share(lines, thread, threads);
      const auto begin = static_cast<size_t>(range.begin * kLine), end = std::min(bytes_, static_cast<size_t>(range.end * kLine));
      if (end > begin) {
        std::memcpy(static_cast<std::byte*>(exec.outputs[0]) + begin, static_cast<const std::byte*>(exec.inputs[0]) + begin,
                    end - begin);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  size_t bytes_;
};

tactic::Verdict judge(const tactic::Query& query) {
  const auto& attrs = query.node.attrs.as<tactic::ReorderAttrs>();
  if (attrs.from != attrs.to && query.inputs[0].dims.rank() < 2) return tactic::Verdict::no("needs N and C axes");
  if (attrs.from != attrs.to && bits(query.inputs[0].type) < 8) return tactic::Verdict::no("packed elements");
  tactic::Verdict verdict = tactic::Verdict::yes(1);
  verdict.inputs = {attrs.from};
  verdict.outputs = {attrs.to};
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  const auto& attrs = query.node.attrs.as<tactic::ReorderAttrs>();
  const tactic::TensorDesc& in = query.inputs[0];
  std::unique_ptr<tactic::Kernel> kernel;
  if (attrs.from == attrs.to) {
    kernel = std::make_unique<CopyKernel>(tactic::buffer_bytes(in.type, in.dims, attrs.from));
    return kernel;
  }
  switch (bits(in.type)) {
    case 8:
      kernel = std::make_unique<ReorderKernel<uint8_t>>(in.dims, attrs.from, attrs.to);
      break;
    case 16:
      kernel = std::make_unique<ReorderKernel<uint16_t>>(in.dims, attrs.from, attrs.to);
      break;
    case 32:
      kernel = std::make_unique<ReorderKernel<uint32_t>>(in.dims, attrs.from, attrs.to);
      break;
    case 64:
      kernel = std::make_unique<ReorderKernel<uint64_t>>(in.dims, attrs.from, attrs.to);
      break;
    default:
      return Error(ErrorCode::internal, "reorder of elements that are not 1, 2, 4 or 8 bytes");
  }
  return kernel;
}

}  // namespace

tactic::TacticList reorder_tactic() {
  return {{"portable.reorder", Isa::portable, {tactic::kReorderOp}, judge, build}};
}

}  // namespace slipway::kernels
