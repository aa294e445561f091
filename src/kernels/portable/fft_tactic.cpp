// DFT and STFT by fast Fourier transforms: kLanes lines at once are gathered, transformed and spread.
#include <cmath>

#include "base/format.hpp"
#include "kernels/portable/fft.hpp"
#include "kernels/registry.hpp"
#include "ops/spectrum.hpp"

namespace slipway::kernels {
namespace {

using fft::kLanes, fft::Lanes;
using tactic::Exec;
using tactic::Fault;

/// Longer transforms are the reference's: twiddle factors of a gigabyte serve nobody.
constexpr int64_t kLongest = int64_t{1} << 22;

/// Where line i stands among elements (of one or two parts): i / group * group_step + i % group * line_step, then every `step`.
struct Lines {
  int64_t group = 1, group_step = 0, line_step = 1, step = 1;
  int64_t at(int64_t line) const { return line / group * group_step + line % group * line_step; }
};

struct Work {
  int64_t length = 1, held = 1, bins = 1, lines = 0;  ///< `held` values of a line are there, the rest is zero
  int64_t in_parts = 1, out_parts = 2;
  Lines in, out;
  bool inverse = false, windowed = false;

  /// Real values of an even count are transformed as half as many complex ones.
  bool halved() const { return in_parts == 1 && !inverse && length % 2 == 0; }
};

bool constant_of(const tactic::Query& query, size_t i, int64_t& value, std::string& reason) {
  if (!query.has(i)) return true;
  const Tensor* t = query.inputs[i].constant;
  if (t == nullptr || t->count() != 1) return reason = "an axis, length or step is not constant", false;
  value = to_int64s(*t)[0];
  return true;
}

bool read_dft(const tactic::Query& query, Work& work, std::string& reason) {
  const auto& attrs = query.node.attrs.as<ops::DftAttrs>();
  const Dims &x = query.inputs[0].dims, &y = query.outputs[0].dims;
  int64_t axis = -2, length = 0;
  if (!constant_of(query, 2, axis, reason)) return false;
  axis = axis < 0 ? axis + x.rank() : axis;
  if (axis < 0 || axis + 1 >= x.rank()) return reason = "an unusual axis", false;
  length = attrs.length_of(x[static_cast<int>(axis)]);
  if (!constant_of(query, 1, length, reason)) return false;
  const int at = static_cast<int>(axis);
  const int64_t inner = x.count(at + 1, x.rank() - 1);
  work.length = length;
  work.held = std::min(x[at], length);
  work.bins = y[at];
  work.lines = x.count(0, at) * inner;
  work.in_parts = x.back();
  work.out_parts = y.back();
  work.inverse = attrs.inverse;
  work.in = {inner, x[at] * inner, 1, inner};
  work.out = {inner, y[at] * inner, 1, inner};
  return true;
}

bool read_stft(const tactic::Query& query, Work& work, std::string& reason) {
  const Dims &x = query.inputs[0].dims, &y = query.outputs[0].dims;
  int64_t step = 1, length = query.has(2) ? query.inputs[2].dims.count() : x[1];
  if (!constant_of(query, 1, step, reason) || !constant_of(query, 3, length, reason)) return false;
  const int64_t frames = y[1];
  if (length > x[1] || (query.has(2) && query.inputs[2].dims.count() != length)) return reason = "frames do not fit", false;
  work.length = work.held = length;
  work.bins = y[2];
  work.lines = x[0] * frames;
  work.in_parts = x.rank() == 3 ? x[2] : 1;
  work.windowed = query.has(2);
  work.in = {frames, x[1], step, 1};
  work.out = {1, y[2], 0, 1};
  return true;
}

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  if (query.inputs[0].type != ElementType::f32) return reason = "f32 only", false;
  if (query.inputs[0].dims.count() == 0 || query.outputs[0].dims.count() == 0) return reason = "empty", false;
  if (!(query.node.op->name == "DFT" ? read_dft : read_stft)(query, work, reason)) return false;
  if (work.length < 1 || work.length > kLongest) return reason = "too long", false;
  return true;
}

class FftKernel final : public tactic::Kernel {
 public:
  FftKernel(const Work& work, int threads)
      : work_(work), threads_(threads), plan_(work.halved() ? work.length / 2 : work.length) {
    for (int64_t k = 0; work.halved() && k <= work.length / 2; ++k) unpack_.push_back(fft::turn(k, work.length));
  }

  size_t scratch_bytes() const { return static_cast<size_t>(threads_ * thread_lanes()) * sizeof(Lanes); }

  Fault run(const Exec& exec) const noexcept override {
    const int64_t packs = (work_.lines + kLanes - 1) / kLanes;
    auto task = [&](int thread, int threads) {
      if (thread >= threads_) return;
      auto* x = reinterpret_cast<Lanes*>(exec.scratch) + thread * thread_lanes();
      const Team::Range range = Team::share(packs, thread, std::min(threads, threads_));
      for (int64_t i = range.begin; i < range.end; ++i) run_pack(exec, i * kLanes, x, x + work_.length + 1);
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override {
    return fmt::format("{} transforms of {}{}", work_.lines, work_.length, work_.halved() ? ", halved" : "");
  }

 private:
  int64_t thread_lanes() const { return work_.length + 1 + plan_.work(); }

  void run_pack(const Exec& exec, int64_t first, Lanes* x, Lanes* scratch) const {
    std::fill(x, x + work_.length, Lanes{});
    const int64_t count = std::min(kLanes, work_.lines - first);
    const float* window = work_.windowed ? static_cast<const float*>(exec.inputs[2]) : nullptr;
    for (int64_t lane = 0; lane < count; ++lane) {
      const auto* from = static_cast<const float*>(exec.inputs[0]) + work_.in.at(first + lane) * work_.in_parts;
      work_.halved() ? gather_halved(from, window, lane, x) : gather(from, window, lane, x);
    }
    if (work_.out_parts == 1) complete(x);
    plan_.run(x, scratch);
    if (work_.halved()) unpack(x);
    for (int64_t lane = 0; lane < count; ++lane) {
      spread(x, lane, static_cast<float*>(exec.outputs[0]) + work_.out.at(first + lane) * work_.out_parts);
    }
  }

  /// An inverse transform is a forward one of both parts exchanged, its result exchanged back.
  void gather(const float* from, const float* window, int64_t lane, Lanes* x) const {
    for (int64_t i = 0; i < work_.held; ++i, from += work_.in.step * work_.in_parts) {
      const float w = window != nullptr ? window[i] : 1;
      (work_.inverse ? x[i].im : x[i].re)[lane] = from[0] * w;
      if (work_.in_parts == 2) (work_.inverse ? x[i].re : x[i].im)[lane] = from[1] * w;
    }
  }
  /// Even positions as real parts, odd ones as imaginary parts.
  void gather_halved(const float* from, const float* window, int64_t lane, Lanes* x) const {
    for (int64_t i = 0; i < work_.held; ++i, from += work_.in.step) {
      (i % 2 == 0 ? x[i / 2].re : x[i / 2].im)[lane] = window != nullptr ? from[0] * window[i] : from[0];
    }
  }

  /// Rebuilds the conjugate half that a one-sided spectrum leaves out. (The parts are exchanged.)
  void complete(Lanes* x) const {
    const int64_t n = work_.length;
    for (int64_t i = std::min(work_.held, n / 2 + 1); i < n; ++i) x[i] = {-x[n - i].re, x[n - i].im};
    x[0].re = fft::Vector{};
    if (n % 2 == 0) x[n / 2].re = fft::Vector{};
  }

  /// From the transform z of even values + j odd values to that of the values: with e and o the transforms of either,
  /// e = (z[k] + conj z[h - k]) / 2, o = (z[k] - conj z[h - k]) / 2j, y[k] = e + e^(-2 pi j k / n) o, and y[n - k] = conj y[k].
  void unpack(Lanes* x) const {
    const int64_t h = work_.length / 2;
    x[h] = x[0];
    for (int64_t k = 0; k <= h / 2; ++k) {
      const Lanes a = x[k], b = x[h - k];
      x[k] = combined(a, b, unpack_[static_cast<size_t>(k)]);
      if (h - k != k) x[h - k] = combined(b, a, unpack_[static_cast<size_t>(h - k)]);
    }
    for (int64_t k = h + 1; k < work_.bins; ++k) x[k] = {x[work_.length - k].re, -x[work_.length - k].im};
  }
  static Lanes combined(const Lanes& a, const Lanes& b, fft::Factor f) {
    const fft::Vector er = (a.re + b.re) * 0.5F, ei = (a.im - b.im) * 0.5F, or_ = (a.im + b.im) * 0.5F, oi = (b.re - a.re) * 0.5F;
    return {er + or_ * f.re - oi * f.im, ei + or_ * f.im + oi * f.re};
  }

  void spread(const Lanes* x, int64_t lane, float* to) const {
    const auto scale = work_.inverse ? static_cast<float>(1.0 / static_cast<double>(work_.length)) : 1.0F;
    for (int64_t k = 0; k < work_.bins; ++k, to += work_.out.step * work_.out_parts) {
      to[0] = (work_.inverse ? x[k].im : x[k].re)[lane] * scale;
      if (work_.out_parts == 2) to[1] = (work_.inverse ? x[k].re : x[k].im)[lane] * scale;
    }
  }

  Work work_;
  int threads_;
  fft::Plan plan_;
  std::vector<fft::Factor> unpack_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kValuesPerUs = 400;
  const auto n = static_cast<double>(work.length);
  const double us = static_cast<double>(work.lines) * n * std::log2(n + 1) / 8 / kValuesPerUs;
  return tactic::Verdict::yes(1 + us / query.machine.threads, "fast transform");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  auto kernel = std::make_unique<FftKernel>(work, query.machine.threads);
  context.book_scratch(kernel->scratch_bytes());
  return std::unique_ptr<tactic::Kernel>(std::move(kernel));
}

}  // namespace

tactic::TacticList fft_tactic() {
  return {{"portable.fft", Isa::portable, {"DFT", "STFT"}, judge, build}};
}

}  // namespace slipway::kernels
