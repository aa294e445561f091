// Resize of one or two spatial axes, by linear in f32 or bf16, by nearest in any type of 8 to 32 bits, plain or blocked16: tables
// of positions and weights made at build.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "kernels/portable/transpose_tile.hpp"
#include "kernels/registry.hpp"
#include "ops/resize.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::Format;

constexpr int64_t kBlock = 16;

/// What one output position is made of: `low` and `high` are equal for nearest.
struct Tap {
  int64_t low, high;
  float high_weight;
};

struct Work {
  std::vector<Tap> rows, columns;
  int64_t planes = 0, in_rows = 1, in_columns = 1;
  Format format = Format::plain;
  bool linear = false;
};

std::vector<Tap> taps_of(const ops::ResizeAttrs& attrs, const ops::ResizeAxis& axis) {
  const auto inside = [&](int64_t i) { return std::clamp<int64_t>(i, 0, axis.in - 1); };
  std::vector<Tap> out;
  for (int64_t o = 0; o < axis.out; ++o) {
    const double x = ops::resize_source(attrs, axis, o);
    if (axis.scale == 1.0 && axis.out == axis.in) {
      out.push_back({o, o, 0.5F});
    } else if (attrs.mode == "nearest") {
      const int64_t at = inside(ops::resize_nearest(attrs, x));
      out.push_back({at, at, 0});
    } else {
      const int64_t low = inside(static_cast<int64_t>(std::floor(x))), high = inside(static_cast<int64_t>(std::floor(x)) + 1);
      const auto weight = static_cast<float>(x - std::floor(x));
      // Halves of one element give it exactly, an infinity too.
      out.push_back(low == high || weight == 0 ? Tap{low, low, 0.5F} : Tap{low, high, weight});
    }
  }
  return out;
}

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  const tactic::TensorDesc& x = query.inputs[0];
  const auto& attrs = query.node.attrs.as<ops::ResizeAttrs>();
  const bool moved = attrs.mode == "nearest" && x.type != ElementType::string && bits(x.type) >= 8 && bits(x.type) <= 32;
  if (x.type != ElementType::f32 && x.type != ElementType::bf16 && !moved) return reason = "no loops for this type", false;
  if (x.dims.rank() < 3 || x.dims.rank() > 4) return reason = "one or two spatial axes only", false;
  if (x.dims.count() == 0 || query.outputs[0].dims.count() == 0) return reason = "empty", false;
  if (attrs.antialias || attrs.coordinate_transformation_mode == "tf_crop_and_resize")
    return reason = "antialias or a region", false;
  if (attrs.mode != "nearest" && attrs.mode != "linear") return reason = "neither nearest nor linear", false;
  const Tensor* parameters[3] = {};
  for (size_t i = 1; i < 4; ++i) {
    if (!query.has(i)) continue;
    if (query.inputs[i].constant == nullptr) return reason = "scales or sizes are not constant", false;
    parameters[i - 1] = query.inputs[i].constant;
  }
  const auto geometry = ops::resize_geometry(attrs, x.dims, parameters[0], parameters[1], parameters[2]);
  if (!geometry) return reason = geometry.error().message, false;
  for (size_t i = 0; i < 2; ++i) {
    if ((*geometry)[i].in != (*geometry)[i].out || (*geometry)[i].scale != 1.0) return reason = "batch or channels change", false;
  }
  work.linear = attrs.mode == "linear";
  work.columns = taps_of(attrs, geometry->back());
  work.in_columns = x.dims.back();
  work.rows = {{0, 0, 0.5F}};
  if (x.dims.rank() == 4) {
    work.rows = taps_of(attrs, (*geometry)[2]);
    work.in_rows = x.dims[2];
  }
  work.format = x.format == Format::blocked16 ? Format::blocked16 : Format::plain;
  work.planes = x.dims[0] * (work.format == Format::blocked16 ? (x.dims[1] + kBlock - 1) / kBlock : x.dims[1]);
  return true;
}

inline float widen(float x) {
  return x;
}
inline float widen(BFloat16 x) {
  return std::bit_cast<float>(uint32_t{x.bits} << 16);
}
inline void narrow(float x, float& to) {
  to = x;
}
/// Rounds to nearest even; interpolated NaNs are quiet.
inline void narrow(float x, BFloat16& to) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = x != x ? bits : bits + 0x7fff + (bits >> 16 & 1);
  to = BFloat16::from_bits(static_cast<uint16_t>(rounded >> 16));
}

/// kLanes values stand at each position.
template <class Element, int64_t kLanes>
class ResizeKernel final : public tactic::Kernel {
 public:
  explicit ResizeKernel(Work work) : work_(std::move(work)) {
    for (size_t i = 0; i < work_.columns.size(); ++i) doubled_ = doubled_ && work_.columns[i].low == static_cast<int64_t>(i / 2);
  }

  Fault run(const Exec& exec) const noexcept override {
    const auto height = static_cast<int64_t>(work_.rows.size()), width = static_cast<int64_t>(work_.columns.size());
    const auto* x = static_cast<const Element*>(exec.inputs[0]);
    auto* y = static_cast<Element*>(exec.outputs[0]);
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(work_.planes * height, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        const Element* plane = x + i / height * work_.in_rows * work_.in_columns * kLanes;
        const Tap& tap = work_.rows[static_cast<size_t>(i % height)];
        const Element* low = plane + tap.low * work_.in_columns * kLanes;
        Element* out = y + i * width * kLanes;
        if constexpr (std::is_same_v<Element, float> || std::is_same_v<Element, BFloat16>) {
          if (work_.linear) {
            linear_row(low, plane + tap.high * work_.in_columns * kLanes, tap.high_weight, out);
            continue;
          }
        }
        const bool again = i > range.begin && i % height > 0 && work_.rows[static_cast<size_t>(i % height) - 1].low == tap.low;
        if (again) {
          std::memcpy(out, out - width * kLanes, static_cast<size_t>(width * kLanes) * sizeof(Element));
        } else {
          nearest_row(low, out);
        }
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return work_.linear ? "linear" : "nearest"; }

 private:
  void nearest_row(const Element* in, Element* out) const {
    size_t done = 0;
    if constexpr (kLanes == 1) {
      const auto pairs = static_cast<int64_t>(work_.columns.size() / 2);
      if (doubled_) done = static_cast<size_t>(2 * tile::weave2(in, in, out, pairs));
    }
    for (size_t i = done; i < work_.columns.size(); ++i)
      std::memcpy(out + static_cast<int64_t>(i) * kLanes, in + work_.columns[i].low * kLanes, kLanes * sizeof(Element));
  }

  void linear_row(const Element* low, const Element* high, float weight, Element* out) const {
    for (const Tap& c : work_.columns) {
      const Element *a = low + c.low * kLanes, *b = low + c.high * kLanes, *d = high + c.low * kLanes,
                    *e = high + c.high * kLanes;
      for (int64_t l = 0; l < kLanes; ++l) {
        const float upper = widen(a[l]) * (1 - c.high_weight) + widen(b[l]) * c.high_weight;
        const float lower = widen(d[l]) * (1 - c.high_weight) + widen(e[l]) * c.high_weight;
        narrow(upper * (1 - weight) + lower * weight, out[l]);
      }
      out += kLanes;
    }
  }

  Work work_;
  bool doubled_ = true;  ///< position i comes from i / 2
};

template <class Element>
std::unique_ptr<tactic::Kernel> kernel_of(Work work) {
  if (work.format == Format::blocked16) return std::make_unique<ResizeKernel<Element, kBlock>>(std::move(work));
  return std::make_unique<ResizeKernel<Element, 1>>(std::move(work));
}

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kElementsPerUs = 1e3;
  const auto elements = static_cast<double>(query.outputs[0].dims.count());
  tactic::Verdict verdict =
      tactic::Verdict::yes(0.5 + elements / kElementsPerUs / query.machine.threads, work.linear ? "linear" : "nearest");
  verdict.inputs = {work.format};
  verdict.outputs = {work.format};
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict& verdict, tactic::BuildContext&) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  // As promised, whatever the input stands in now.
  if (verdict.output(0) != work.format) return Error(ErrorCode::internal, "another format than promised");
  const ElementType type = query.inputs[0].type;
  if (type == ElementType::f32) return kernel_of<float>(std::move(work));
  if (type == ElementType::bf16) return kernel_of<BFloat16>(std::move(work));
  if (bits(type) == 8) return kernel_of<uint8_t>(std::move(work));
  return bits(type) == 16 ? kernel_of<uint16_t>(std::move(work)) : kernel_of<uint32_t>(std::move(work));
}

}  // namespace

tactic::TacticList resize_tactic() {
  return {{"portable.resize", Isa::portable, {"Resize"}, judge, build}};
}

}  // namespace slipway::kernels
