#include "kernels/x64/window/row_kernel.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

#include "base/format.hpp"
#include "kernels/x64/eltwise/emit.hpp"
#include "kernels/x64/jit/shared.hpp"
#include "kernels/x64/jit/vecmath.hpp"
#include "ops/pool.hpp"

namespace slipway::window {
namespace {

using eltwise::Spread;
using jit::Cond;
using jit::Gpr;
using jit::Mem;
using jit::Operand;
using jit::Vec;

constexpr int64_t kWeightBytes = kBlock * 4;  ///< of one tap
constexpr int64_t kMostTaps = 32, kMostBorder = 24, kMostExtent = 1 << 20, kMostTapRow = 1 << 24;

/// Taps [begin, end) of output position `o` that are inside the input.
struct Taps {
  int64_t begin, end;
  bool operator==(const Taps&) const = default;
};
Taps taps_at(const ops::WindowAxis& a, int64_t o) {
  const int64_t start = o * a.stride - a.pad_begin;
  Taps t{0, a.kernel};
  while (t.begin < a.kernel && start + t.begin * a.dilation < 0) ++t.begin;
  while (t.end > t.begin && start + (t.end - 1) * a.dilation >= a.in) --t.end;
  return t;
}

/// Output positions [begin, end) whose taps are all inside.
Taps interior_of(const ops::WindowAxis& a) {
  const int64_t begin = std::min(a.out, (a.pad_begin + a.stride - 1) / a.stride), last = a.in + a.pad_begin - a.reach();
  return {begin, last < 0 ? begin : std::max(begin, std::min(a.out, last / a.stride + 1))};
}

/// How a row is cut: outputs that a border meets go together with their neighbours inside, `right` stand at the end, and between
/// them a loop takes `widest` at once, `repeats` times. A short row (no repeats) is nothing but groups.
struct Cut {
  int widest;
  int64_t left = 0, right = 0, repeats = 0;

  explicit Cut(const RowSpec& spec) : widest(spec.isa >= Isa::avx512 ? 8 : 4) {
    const ops::WindowAxis& a = spec.columns;
    const Taps interior = interior_of(a);
    left = interior.begin == 0 ? 0 : std::max<int64_t>(interior.begin, widest);
    right = interior.end == a.out ? 0 : std::max<int64_t>(a.out - interior.end, widest);
    if (left + right + kLeastRepeats * widest <= a.out) repeats = (a.out - left - right) / widest;
  }
  static constexpr int64_t kLeastRepeats = 2;
};

class Generator {
 public:
  explicit Generator(const RowSpec& spec) : s_(spec), a_(spec.columns), p_(spec.isa, "window row"), cut_(spec) {}

  jit::Program run() {
    in_ = p_.load64(arg(offsetof(RowArgs, in)));
    out_ = p_.load64(arg(offsetof(RowArgs, out)));
    rows_ = p_.load64(arg(offsetof(RowArgs, tap_rows)));
    tap_row_bytes_ = p_.load64(arg(offsetof(RowArgs, tap_row_bytes)));
    if (s_.reduce == Reduce::convolve) weights_ = p_.load64(arg(offsetof(RowArgs, weights)));
    if (s_.reduce == Reduce::average) row_count_ = p_.broadcast(arg(offsetof(RowArgs, row_count)));
    operands_.resize(s_.tail.operands.size());
    scalars_.resize(s_.tail.operands.size());
    for (size_t i = 1; i < operands_.size(); ++i) {
      operands_[i] = p_.load64(arg(offsetof(RowArgs, operands) + i * sizeof(void*)));
      if (s_.tail.operands[i] != Spread::scalar) continue;
      const Mem at = jit::mem(operands_[i]);
      scalars_[i] = s_.operand_type(i) == ElementType::bf16 ? p_.shl(p_.splat(p_.load16(at)), 16) : p_.broadcast(at);
    }
    if (cut_.repeats == 0) {
      row_of_groups(0, a_.out);
    } else {
      row_of_groups(0, cut_.left);
      move_to(cut_.left);
      inside();
      row_of_groups(a_.out - cut_.right, cut_.right);
    }
    return std::move(p_);
  }

 private:
  Mem arg(size_t offset) const { return jit::mem(p_.args(), static_cast<int64_t>(offset)); }

  int64_t element_bytes() const { return s_.type == ElementType::bf16 ? 2 : 4; }
  int64_t pixel_bytes() const { return kBlock * element_bytes(); }
  Mem pixel_at(Gpr base, int64_t pixel) const { return jit::mem(base, pixel * pixel_bytes() + lane_ * element_bytes()); }
  Mem weight(Gpr weights, int64_t tap) const { return jit::mem(weights, tap * kWeightBytes + lane_ * 4); }
  Vec load(Mem from, ElementType type) { return type == ElementType::bf16 ? p_.load_bf16(from) : p_.load(from); }

  /// Advances the pointers by whole pixels.
  void move_to(int64_t pixels) {
    if (pixels == 0) return;
    p_.add(in_, pixels * a_.stride * pixel_bytes());
    p_.add(out_, pixels * pixel_bytes());
    for (size_t i = 1; i < operands_.size(); ++i) {
      if (s_.tail.operands[i] == Spread::full) p_.add(operands_[i], pixels * pixel_bytes());
    }
  }

  /// Outputs [first, first + count), of which the pointers stand at the first.
  void row_of_groups(int64_t first, int64_t count) {
    const int64_t groups = (count + cut_.widest - 1) / cut_.widest;
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t begin = g * count / groups;
      pixels(static_cast<int>((g + 1) * count / groups - begin), begin, first + begin);
    }
  }

  /// Outputs that take all taps, and moves on to the one after them.
  void inside() {
    const int widest = cut_.widest;
    const Gpr left = p_.load64(arg(offsetof(RowArgs, repeats)));
    const jit::Label top = p_.label();
    p_.bind(top);
    pixels(widest, 0, cut_.left);
    move_to(widest);
    p_.sub(left, 1);
    p_.jump_if(left, Cond::gt, 0, top);
    int64_t count = a_.out - cut_.right - cut_.left - cut_.repeats * widest;
    for (int width = widest; width > 0; width /= 2) {
      if (count < width) continue;
      pixels(width, 0, cut_.left);
      move_to(width);
      count -= width;
    }
  }

  /// `count` outputs from `output` on, which stands `offset` pixels past the pointers; where a vector holds half of them, both
  /// halves of a tap row in turn, so that whole cache lines are read and written together.
  void pixels(int count, int64_t offset, int64_t output) {
    const int64_t halves = kBlock / p_.lanes();
    std::vector<std::vector<Vec>> sums(static_cast<size_t>(halves));
    std::vector<Taps> taps;
    for (int i = 0; i < count; ++i) {
      for (std::vector<Vec>& half : sums)
        half.push_back(s_.reduce == Reduce::max ? p_.constant(-std::numeric_limits<float>::infinity()) : p_.zero());
      taps.push_back(taps_at(a_, output + i));
    }
    const Gpr row = p_.copy(in_), left = p_.copy(rows_);
    const Gpr weights = s_.reduce == Reduce::convolve ? p_.copy(weights_) : Gpr{};
    const jit::Label top = p_.label();
    p_.bind(top);
    each_half([&](size_t half) { tap_row(sums[half], row, weights, offset, taps); });
    p_.add(row, tap_row_bytes_);
    if (s_.reduce == Reduce::convolve) p_.add(weights, a_.kernel * kWeightBytes);
    p_.sub(left, 1);
    p_.jump_if(left, Cond::gt, 0, top);
    for (int i = 0; i < count; ++i) {
      const int64_t counted = ops::average_count(a_, output + i, s_.count_include_pad);
      each_half([&](size_t half) { finish(sums[half][static_cast<size_t>(i)], offset + i, counted); });
    }
  }

  template <class Work>
  void each_half(Work work) {
    for (lane_ = 0; lane_ < kBlock; lane_ += p_.lanes()) work(static_cast<size_t>(lane_ / p_.lanes()));
  }

  void tap_row(const std::vector<Vec>& sums, Gpr row, Gpr weights, int64_t offset, const std::vector<Taps>& taps) {
    const bool hold = s_.reduce == Reduce::convolve && sums.size() > 1 && a_.kernel <= (p_.avx512() ? 12 : 5);
    std::vector<Vec> held;
    for (int64_t t = 0; hold && t < a_.kernel; ++t) held.push_back(p_.load(weight(weights, t)));
    // Inputs in ascending order, each loaded once: every sum takes its taps in ascending order too.
    const auto count = static_cast<int64_t>(sums.size());
    for (int64_t position = 0; position < (count - 1) * a_.stride + a_.reach(); ++position) {
      Vec x;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t reach = position - i * a_.stride, t = reach / a_.dilation;
        const Taps& own = taps[static_cast<size_t>(i)];
        if (reach < 0 || reach % a_.dilation != 0 || t < own.begin || t >= own.end) continue;
        if (x.id < 0) x = load(pixel_at(row, offset * a_.stride - a_.pad_begin + position), s_.type);
        const Vec sum = sums[static_cast<size_t>(i)];
        if (s_.reduce == Reduce::max) {
          jit::emit_max(p_, x, sum, sum);
        } else if (s_.reduce == Reduce::average) {
          p_.add(sum, x, sum);
        } else {
          p_.fmadd231(sum, x, hold ? Operand(held[static_cast<size_t>(t)]) : Operand::memory(weight(weights, t)));
        }
      }
    }
  }

  void finish(Vec sum, int64_t pixel, int64_t column_count) {
    if (s_.reduce == Reduce::average) sum = p_.div(sum, p_.mul(row_count_, static_cast<float>(column_count)));
    if (!s_.tail.steps.empty()) {
      std::vector<Operand> operands{sum};
      for (size_t i = 1; i < operands_.size(); ++i) {
        if (s_.tail.operands[i] == Spread::scalar) {
          operands.push_back(scalars_[i]);
          continue;
        }
        const bool full = s_.tail.operands[i] == Spread::full, wide = s_.operand_type(i) == ElementType::f32;
        const Mem at = full ? pixel_at(operands_[i], pixel) : jit::mem(operands_[i], lane_ * (wide ? 4 : 2));
        operands.push_back(wide ? Operand::memory(at) : Operand(p_.load_bf16(at)));
      }
      sum = eltwise::emit_steps(p_, s_.tail, operands, p_.lanes());
    }
    const Mem to = pixel_at(out_, pixel);
    s_.type == ElementType::bf16 ? p_.store_bf16(to, sum) : p_.store(to, sum);
  }

  const RowSpec& s_;
  const ops::WindowAxis& a_;
  jit::Program p_;
  const Cut cut_;
  int64_t lane_ = 0;  ///< of a pixel, where the half at work begins
  Gpr in_, out_, rows_, weights_, tap_row_bytes_;
  Vec row_count_;
  std::vector<Gpr> operands_;
  std::vector<Vec> scalars_;
};

}  // namespace

bool RowKernel::fits(const ops::WindowAxis& rows, const ops::WindowAxis& columns) {
  if (columns.kernel > kMostTaps || columns.stride > kMostExtent || columns.dilation > kMostExtent || columns.out < 1)
    return false;
  if (columns.in > kMostExtent || columns.out > kMostExtent || columns.reach() > kMostExtent) return false;
  if (rows.dilation > kMostExtent || rows.dilation * columns.in > kMostTapRow) return false;
  const Taps interior = interior_of(columns);
  if (columns.out - (interior.end - interior.begin) > kMostBorder) return false;
  for (int64_t o = 0; o < columns.out; ++o) {
    if (o == interior.begin && interior.end > o) o = interior.end;
    if (o >= columns.out) break;
    const Taps t = taps_at(columns, o);
    if (t.begin >= t.end) return false;
  }
  return true;
}

Result<RowKernel> RowKernel::make(const RowSpec& spec) {
  static jit::Shared<jit::Code> shared;

  RowKernel kernel;
  kernel.tap_row_bytes_ = spec.tap_row_bytes;
  kernel.repeats_ = Cut(spec).repeats;
  RowSpec shortest = spec;  // the same code with the least number of repeats
  if (kernel.repeats_ > Cut::kLeastRepeats) {
    const int64_t less = (kernel.repeats_ - Cut::kLeastRepeats) * Cut(spec).widest;
    shortest.columns.out -= less;
    shortest.columns.in -= less * spec.columns.stride;
  }
  const ops::WindowAxis& c = shortest.columns;
  std::string text =
      fmt::format("{} {} k{} s{} d{} p{},{} {}->{} {} {}", static_cast<int>(spec.isa), static_cast<int>(spec.reduce), c.kernel,
                  c.stride, c.dilation, c.pad_begin, c.pad_end, c.in, c.out, spec.count_include_pad, spec.tail.text());
  text += fmt::format(" {}", name(spec.type));
  for (const ElementType type : spec.operand_types) text += fmt::format(" {}", name(type));
  kernel.code_ = TRY(shared.get(text, [&]() -> Result<std::shared_ptr<const jit::Code>> {
    return std::make_shared<const jit::Code>(TRY(jit::compile(Generator(shortest).run())));
  }));
  return kernel;
}

}  // namespace slipway::window
