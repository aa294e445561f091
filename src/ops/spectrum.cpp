// DFT, STFT, window functions and MelWeightMatrix: sound and other signals by frequency.
#include <cmath>
#include <numbers>

#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"
#include "ops/spectrum.hpp"

namespace slipway::ops {
namespace {

/// Signals, windows and spectra of more elements than this are refused.
constexpr int64_t kLongestSignal = int64_t{1} << 32;
constexpr double kTurn = 2 * std::numbers::pi;

struct WindowAttrs {
  ElementType output_datatype = E::f32;
  bool periodic = true;
  bool operator==(const WindowAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("output_datatype", &WindowAttrs::output_datatype), field("periodic", &WindowAttrs::periodic)};
  }
};

struct MelAttrs {
  ElementType output_datatype = E::f32;
  bool operator==(const MelAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("output_datatype", &MelAttrs::output_datatype)}; }
};

/// The one integer of a scalar input.
Result<int64_t> scalar(const char* what, std::span<const int64_t> values, int64_t least) {
  if (values.size() != 1) return fail(ErrorCode::invalid_model, "{} must be a scalar", what);
  if (values[0] < least || values[0] > kLongestSignal) {
    return fail(ErrorCode::invalid_model, "{} is {}; {} to {} is expected", what, values[0], least, kLongestSignal);
  }
  return values[0];
}

Result<int> signal_axis(int64_t axis, int rank) {
  const int at = TRY(normalize_axis(axis, rank));
  if (at == rank - 1)
    return Error(ErrorCode::invalid_model, "the last axis holds the parts of a number and cannot be transformed");
  return at;
}

Status infer_dft(InferContext& c) {
  const DftAttrs& a = c.attrs<DftAttrs>();
  c.set(0, c.type(0));
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  if (x->size() < 2) return fail(ErrorCode::invalid_model, "the input has {} axes; at least 2 are expected", x->size());
  Shape y = *x;
  y.back() = a.inverse && a.onesided ? 1 : 2;
  const auto axis_value = c.ints(2), length = c.ints(1);
  if ((c.has_input(2) && !axis_value) || (c.has_input(1) && !length)) {
    std::fill(y.begin(), y.end() - 1, Dim::unknown());
    c.set(0, c.type(0), std::move(y));
    return {};
  }
  const int axis =
      TRY(signal_axis(axis_value && axis_value->size() == 1 ? axis_value->front() : -2, static_cast<int>(x->size())));
  Dim& extent = y[static_cast<size_t>(axis)];
  if (length) {
    extent = a.bins(TRY(scalar("dft_length", *length, 1)));
  } else if (extent.known()) {
    extent = a.bins(a.length_of(extent.value()));
  } else if (a.onesided) {
    extent = Dim::unknown();
  }
  c.set(0, c.type(0), std::move(y));
  return {};
}

struct Complex {
  double real = 0, imaginary = 0;
};

/// Output k of the transform of x (n values): the sum of x[i] * e^(-+ 2 pi j k i / n).
Complex transform(const std::vector<Complex>& x, int64_t k, bool inverse) {
  const auto n = static_cast<int64_t>(x.size());
  Complex sum;
  for (int64_t i = 0; i < n; ++i) {
    const auto turns = static_cast<double>(static_cast<__int128>(i) * k % n) / static_cast<double>(n);
    const double c = std::cos(kTurn * turns), s = inverse ? std::sin(kTurn * turns) : -std::sin(kTurn * turns);
    const Complex& v = x[static_cast<size_t>(i)];
    sum.real += v.real * c - v.imaginary * s;
    sum.imaginary += v.real * s + v.imaginary * c;
  }
  if (!inverse) return sum;
  return {sum.real / static_cast<double>(n), sum.imaginary / static_cast<double>(n)};
}

/// Rebuilds the conjugate half that a one-sided spectrum leaves out.
void complete(std::vector<Complex>& x, int64_t held) {
  const auto n = static_cast<int64_t>(x.size());
  for (int64_t i = std::min(held, n / 2 + 1); i < n; ++i) {
    const Complex& twin = x[static_cast<size_t>(n - i)];
    x[static_cast<size_t>(i)] = {twin.real, -twin.imaginary};
  }
  x[0].imaginary = 0;
  if (n % 2 == 0) x[static_cast<size_t>(n / 2)].imaginary = 0;
}

Status run_dft(RefContext& c) {
  const DftAttrs& a = c.attrs<DftAttrs>();
  const Dims xd = c.in(0).dims();
  if (xd.rank() < 2 || (xd.back() != 1 && xd.back() != 2)) {
    return fail(ErrorCode::invalid_model, "the input has the shape {}; its last axis must hold 1 or 2 parts", to_string(xd));
  }
  const int64_t asked_axis = c.has(2) ? TRY(scalar("axis", c.ints(2), -kMaxRank)) : -2;
  const int axis = TRY(signal_axis(asked_axis, xd.rank()));
  const int64_t length = c.has(1) ? TRY(scalar("dft_length", c.ints(1), 1)) : a.length_of(xd[axis]);
  if (length < 1) return fail(ErrorCode::invalid_model, "an axis of extent {} cannot be transformed", xd[axis]);
  const bool real_output = a.inverse && a.onesided;
  const int64_t parts = xd.back(), out_parts = real_output ? 1 : 2, bins = a.bins(length);
  Dims yd = xd;
  yd[axis] = bins;
  yd[yd.rank() - 1] = out_parts;
  const int64_t outer = xd.count(0, axis), inner = xd.count(axis + 1, xd.rank() - 1), held = std::min(xd[axis], length);
  const std::vector<double> x = c.doubles(0);
  std::vector<double> y(static_cast<size_t>(yd.count()));
  for (int64_t n = 0; n < outer * inner; ++n) {
    std::vector<Complex> signal(static_cast<size_t>(length));
    for (int64_t i = 0; i < held; ++i) {
      const double* from = x.data() + ((n / inner * xd[axis] + i) * inner + n % inner) * parts;
      signal[static_cast<size_t>(i)] = {from[0], parts == 2 ? from[1] : 0.0};
    }
    if (real_output) complete(signal, held);
    for (int64_t k = 0; k < bins; ++k) {
      const Complex v = transform(signal, k, a.inverse);
      double* to = y.data() + ((n / inner * bins + k) * inner + n % inner) * out_parts;
      to[0] = v.real;
      if (!real_output) to[1] = v.imaginary;
    }
  }
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

/// Before opset 20 the axis was an attribute, 1 when not said.
Status upgrade_dft(OnnxNode& node) {
  if (node.version < 20) node.set_input(2, node.constant(Tensor::scalar(node.take_int("axis", 1))));
  return {};
}

Status infer_stft(InferContext& c) {
  c.set(0, c.type(0));
  const Shape *x = c.shape(0), *window = c.shape(2);
  if (x == nullptr) return {};
  if (x->size() != 2 && x->size() != 3)
    return fail(ErrorCode::invalid_model, "the signal has {} axes; [batch, length] or [batch, length, 1 or 2] is expected",
                x->size());
  const auto step = c.ints(1), given = c.ints(3);
  Dim length = (*x)[1];
  if (window != nullptr && window->size() != 1)
    return fail(ErrorCode::invalid_model, "the window has {} axes; 1 is expected", window->size());
  if (window != nullptr) length = (*window)[0];
  if (c.has_input(3)) length = given ? Dim(TRY(scalar("frame_length", *given, 1))) : Dim::unknown();
  Dim frames, bins;
  if (step && (*x)[1].known() && length.known()) {
    const int64_t by = TRY(scalar("frame_step", *step, 1)), slack = (*x)[1].value() - length.value();
    if (slack < 0)
      return fail(ErrorCode::invalid_model, "frames of {} do not fit a signal of {}", length.value(), (*x)[1].value());
    frames = slack / by + 1;
  }
  bins = length.known() ? Dim(c.attrs<StftAttrs>().bins(length.value())) : Dim::unknown();
  c.set(0, c.type(0), Shape{(*x)[0], frames, bins, 2});
  return {};
}

Status run_stft(RefContext& c) {
  const Dims xd = c.in(0).dims();
  const int64_t parts = xd.rank() == 3 ? xd[2] : 1;
  if ((xd.rank() != 2 && xd.rank() != 3) || (parts != 1 && parts != 2)) {
    return fail(ErrorCode::invalid_model, "the signal has the shape {}; [batch, length] or [batch, length, 1 or 2] is expected",
                to_string(xd));
  }
  const int64_t step = TRY(scalar("frame_step", c.ints(1), 1));
  std::vector<double> window = c.has(2) ? c.doubles(2) : std::vector<double>();
  const int64_t otherwise = c.has(2) ? static_cast<int64_t>(window.size()) : xd[1];
  const int64_t length = c.has(3) ? TRY(scalar("frame_length", c.ints(3), 1)) : otherwise;
  if (!c.has(2)) window.assign(static_cast<size_t>(std::max<int64_t>(std::min(length, xd[1]), 0)), 1.0);
  if (length < 1 || length > xd[1] || static_cast<int64_t>(window.size()) != length || (c.has(2) && c.in(2).dims().rank() != 1)) {
    return fail(ErrorCode::invalid_model,
                "frames of {} need a window as long (it has {}) and a signal at least as long (it has {})", length, window.size(),
                xd[1]);
  }
  const int64_t frames = (xd[1] - length) / step + 1, bins = c.attrs<StftAttrs>().bins(length);
  const std::vector<double> x = c.doubles(0);
  const Dims yd = {xd[0], frames, bins, 2};
  std::vector<double> y(static_cast<size_t>(yd.count()));
  std::vector<Complex> frame(static_cast<size_t>(length));
  for (int64_t n = 0; n < xd[0] * frames; ++n) {
    const double* from = x.data() + (n / frames * xd[1] + n % frames * step) * parts;
    for (int64_t i = 0; i < length; ++i) {
      const double w = window[static_cast<size_t>(i)];
      frame[static_cast<size_t>(i)] = {from[i * parts] * w, parts == 2 ? from[i * parts + 1] * w : 0.0};
    }
    for (int64_t k = 0; k < bins; ++k) {
      const Complex v = transform(frame, k, false);
      y[static_cast<size_t>((n * bins + k) * 2)] = v.real;
      y[static_cast<size_t>((n * bins + k) * 2 + 1)] = v.imaginary;
    }
  }
  c.set_doubles(0, c.in(0).type(), yd, y);
  return {};
}

Status check_output(ElementType type) {
  if (contains(kNumeric, type)) return {};
  return Error(ErrorCode::invalid_model, "output_datatype must be an integer or float type");
}

Status infer_window(InferContext& c) {
  const ElementType type = c.attrs<WindowAttrs>().output_datatype;
  TRY(check_output(type));
  const auto size = c.ints(0);
  c.set(0, type, Shape{size ? Dim(TRY(scalar("size", *size, 0))) : Dim::unknown()});
  return {};
}

/// w[i] = a0 - a1 cos(2 pi i / n) + a2 cos(4 pi i / n), n = size when periodic, else size - 1.
Status run_window(RefContext& c, double a0, double a1, double a2) {
  const WindowAttrs& a = c.attrs<WindowAttrs>();
  TRY(check_output(a.output_datatype));
  const int64_t size = TRY(scalar("size", c.ints(0), 0));
  const auto n = static_cast<double>(std::max<int64_t>(a.periodic ? size : size - 1, 1));
  std::vector<double> w(static_cast<size_t>(size));
  for (size_t i = 0; i < w.size(); ++i) {
    const double angle = kTurn * static_cast<double>(i) / n;
    w[i] = a0 - a1 * std::cos(angle) + a2 * std::cos(2 * angle);
  }
  c.set_doubles(0, a.output_datatype, {size}, w);
  return {};
}

Status run_hann(RefContext& c) {
  return run_window(c, 0.5, 0.5, 0.0);
}
Status run_hamming(RefContext& c) {
  return run_window(c, 25.0 / 46.0, 21.0 / 46.0, 0.0);
}
Status run_blackman(RefContext& c) {
  return run_window(c, 0.42, 0.5, 0.08);
}

Status infer_mel(InferContext& c) {
  const ElementType type = c.attrs<MelAttrs>().output_datatype;
  TRY(check_output(type));
  const auto bins = c.ints(0), length = c.ints(1);
  c.set(0, type,
        Shape{length ? Dim(TRY(scalar("dft_length", *length, 0)) / 2 + 1) : Dim::unknown(),
              bins ? Dim(TRY(scalar("num_mel_bins", *bins, 0))) : Dim::unknown()});
  return {};
}

Status run_mel(RefContext& c) {
  TRY(check_output(c.attrs<MelAttrs>().output_datatype));
  const int64_t bins = TRY(scalar("num_mel_bins", c.ints(0), 0)), length = TRY(scalar("dft_length", c.ints(1), 0));
  const int64_t rate = TRY(scalar("sample_rate", c.ints(2), 1)), rows = length / 2 + 1;
  if (c.in(3).count() != 1 || c.in(4).count() != 1)
    return Error(ErrorCode::invalid_model, "the edge frequencies must be scalars");
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = mel(c.doubles(3)[0]), step = (mel(c.doubles(4)[0]) - low) / static_cast<double>(bins + 2);
  std::vector<int64_t> edges;
  for (int64_t i = 0; i < bins + 2; ++i) {
    const double hertz = 700 * (std::pow(10.0, (static_cast<double>(i) * step + low) / 2595) - 1);
    const double row = std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate));
    if (!(row >= 0 && row < static_cast<double>(rows))) {
      return fail(ErrorCode::data_fault, "mel edge {} falls on row {} of a spectrogram of {}", i, row, rows);
    }
    edges.push_back(static_cast<int64_t>(row));
  }
  std::vector<double> y(static_cast<size_t>(rows * bins));
  const auto at = [&](int64_t row, int64_t bin) -> double& { return y[static_cast<size_t>(row * bins + bin)]; };
  for (int64_t b = 0; b < bins; ++b) {
    const auto k = static_cast<size_t>(b);
    const int64_t left = edges[k], centre = edges[k + 1], right = edges[k + 2];
    if (left == centre) at(centre, b) = 1;
    for (int64_t row = left; left != centre && row <= centre; ++row) {
      at(row, b) = static_cast<double>(row - left) / static_cast<double>(centre - left);
    }
    for (int64_t row = centre; row < right; ++row)
      at(row, b) = static_cast<double>(right - row) / static_cast<double>(right - centre);
  }
  c.set_doubles(0, c.attrs<MelAttrs>().output_datatype, {rows, bins}, y);
  return {};
}

using sample::absent, sample::constant, sample::noise;

std::vector<Sample> dft_samples() {
  const auto number = [](int64_t v) { return constant(Tensor::scalar(v)); };
  return {{"real", DftAttrs{}, {{noise({2, 9, 1})}}},
          {"complex_axis0", DftAttrs{}, {{noise({8, 3, 2})}, absent(), number(0)}},
          {"padded", DftAttrs{}, {{noise({1, 6, 1})}, number(10)}},
          {"cut", DftAttrs{}, {{noise({1, 6, 2})}, number(4)}},
          {"onesided", DftAttrs{.onesided = true}, {{noise({2, 10, 1})}}},
          {"inverse", DftAttrs{.inverse = true}, {{noise({1, 7, 2})}}},
          {"inverse_onesided", DftAttrs{true, true}, {{noise({1, 5, 2})}}},
          {"power_of_two", DftAttrs{.onesided = true}, {{noise({6, 64, 1})}}},
          {"many_factors", DftAttrs{}, {{noise({2, 420, 2})}}},
          {"odd_real", DftAttrs{.onesided = true}, {{noise({3, 45, 1})}}},
          {"prime", DftAttrs{}, {{noise({2, 67, 2})}}},
          {"large_prime", DftAttrs{.inverse = true}, {{noise({1, 211, 2})}}},
          {"one", DftAttrs{}, {{noise({2, 1, 1})}}}};
}

std::vector<Sample> stft_samples() {
  const SampleInput step = constant(Tensor::scalar(int64_t{4}));
  return {{"window", StftAttrs{}, {{noise({2, 32, 1})}, step, {noise({8}, 2)}}},
          {"frame_length", StftAttrs{}, {{noise({1, 30, 1})}, step, absent(), constant(Tensor::scalar(int64_t{10}))}},
          {"complex", StftAttrs{false}, {{noise({1, 24, 2})}, step, {noise({6}, 2)}}},
          {"two_axes", StftAttrs{}, {{noise({2, 100})}, step, constant(noise({32}, 2))}}};
}

std::vector<Sample> window_samples() {
  const SampleInput size = constant(Tensor::scalar(int64_t{10}));
  return {{"periodic", WindowAttrs{}, {size}},
          {"symmetric", WindowAttrs{.periodic = false}, {size}},
          {"f64", WindowAttrs{E::f64}, {size}}};
}

std::vector<Sample> mel_samples() {
  const auto number = [](int64_t v) { return constant(Tensor::scalar(v)); };
  return {{"eight_bins",
           MelAttrs{},
           {number(8), number(16), number(8192), constant(Tensor::scalar(0.0f)), constant(Tensor::scalar(4096.0f))}}};
}

Op window_op(std::string_view op_name, Status (*run)(RefContext&)) {
  return Op(op_name, {17})
      .attrs<WindowAttrs>()
      .in("size", kIndex)
      .out("output", kNumeric, 'O')
      .reads_value(0)
      .infer(infer_window)
      .reference(run)
      .samples(window_samples)
      .tolerance(Tolerance::rounding);
}

}  // namespace

OpFamily spectrum() {
  return {
      Op("DFT", {17, 20})
          .attrs<DftAttrs>()
          .in("input", kFloat)
          .opt("dft_length", kIndex, 'L')
          .opt("axis", types(E::i64), 'A')
          .out("output")
          .reads_value(1, 2)
          .infer(infer_dft)
          .reference(run_dft)
          .samples(dft_samples)
          .upgrade(upgrade_dft)
          .tolerance(Tolerance::rounding)
          .doc("The discrete Fourier transform along an axis"),
      Op("STFT", {17})
          .attrs<StftAttrs>()
          .in("signal", kFloat)
          .in("frame_step", kIndex, 'I')
          .opt("window", kFloat)
          .opt("frame_length", kIndex, 'I')
          .out("output")
          .reads_value(1, 3)
          .infer(infer_stft)
          .reference(run_stft)
          .samples(stft_samples)
          .tolerance(Tolerance::rounding)
          .doc("The Fourier transforms of windowed frames of a signal"),
      window_op("HannWindow", run_hann).doc("The Hann window"),
      window_op("HammingWindow", run_hamming).doc("The Hamming window"),
      window_op("BlackmanWindow", run_blackman).doc("The Blackman window"),
      Op("MelWeightMatrix", {17})
          .attrs<MelAttrs>()
          .in("num_mel_bins", kIndex)
          .in("dft_length", kIndex)
          .in("sample_rate", kIndex)
          .in("lower_edge_hertz", kFloat, 'F')
          .in("upper_edge_hertz", kFloat, 'F')
          .out("output", kNumeric, 'O')
          .reads_value(0, 1)
          .infer(infer_mel)
          .reference(run_mel)
          .samples(mel_samples)
          .tolerance(Tolerance::rounding)
          .doc("Weights that turn a linear spectrogram into a mel spectrogram"),
  };
}

}  // namespace slipway::ops
