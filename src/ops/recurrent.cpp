// LSTM, GRU, RNN: cells run along a sequence, forwards, backwards or both.
#include "ops/recurrent.hpp"

#include <cmath>
#include <functional>

#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

/// Input positions, the same for the three operators as far as they go.
enum Input : size_t { kX, kW, kR, kB, kLengths, kH0, kC0, kP };

constexpr int64_t kLargestHidden = int64_t{1} << 31;

Result<int64_t> directions(const std::string& word) {
  if (word == "forward" || word == "reverse") return int64_t{1};
  if (word == "bidirectional") return int64_t{2};
  return fail(ErrorCode::invalid_model, "direction is '{}'; forward, reverse or bidirectional is expected", word);
}

using Activation = std::function<double(double)>;

struct KnownActivation {
  std::string_view name;  ///< lower case
  int parameters;         ///< 0, 1 (alpha) or 2 (alpha and beta)
  float alpha, beta;      ///< when not given
  double (*f)(double x, double alpha, double beta);
};

constexpr KnownActivation kActivations[] = {
    {"relu", 0, 0, 0, [](double x, double, double) { return x > 0 ? x : 0; }},
    {"tanh", 0, 0, 0, [](double x, double, double) { return std::tanh(x); }},
    {"sigmoid", 0, 0, 0, [](double x, double, double) { return 1 / (1 + std::exp(-x)); }},
    {"affine", 2, 1, 0, [](double x, double a, double b) { return a * x + b; }},
    {"leakyrelu", 1, 0.01f, 0, [](double x, double a, double) { return x >= 0 ? x : a * x; }},
    {"thresholdedrelu", 1, 1, 0, [](double x, double a, double) { return x >= a ? x : 0; }},
    {"scaledtanh", 2, 1, 1, [](double x, double a, double b) { return a * std::tanh(b * x); }},
    {"hardsigmoid", 2, 0.2f, 0.5f, [](double x, double a, double b) { return std::min(std::max(a * x + b, 0.0), 1.0); }},
    {"elu", 1, 1, 0, [](double x, double a, double) { return x >= 0 ? x : a * std::expm1(x); }},
    {"softsign", 0, 0, 0, [](double x, double, double) { return x / (1 + std::fabs(x)); }},
    {"softplus", 0, 0, 0, [](double x, double, double) { return x > 30 ? x : std::log1p(std::exp(x)); }},
};

/// `per_direction` functions for every direction; names compare without case, parameters are handed out in order.
Result<std::vector<Activation>> activations(const std::vector<std::string>& names, const std::vector<float>& alphas,
                                            const std::vector<float>& betas, std::vector<std::string> defaults, int64_t dirs) {
  const size_t wanted = defaults.size() * static_cast<size_t>(dirs);
  if (!names.empty() && names.size() != wanted) {
    return fail(ErrorCode::invalid_model, "there are {} activations; {} per direction are expected", names.size(),
                defaults.size());
  }
  std::vector<Activation> out;
  size_t alpha = 0, beta = 0;
  for (size_t i = 0; i < wanted; ++i) {
    std::string name = names.empty() ? defaults[i % defaults.size()] : names[i];
    for (char& ch : name) ch = ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch - 'A' + 'a') : ch;
    const auto* known =
        std::find_if(std::begin(kActivations), std::end(kActivations), [&](const auto& k) { return k.name == name; });
    if (known == std::end(kActivations)) return fail(ErrorCode::invalid_model, "there is no activation '{}'", name);
    double a = static_cast<double>(known->alpha), b = static_cast<double>(known->beta);
    if (known->parameters >= 1 && alpha < alphas.size()) a = static_cast<double>(alphas[alpha++]);
    if (known->parameters >= 2 && beta < betas.size()) b = static_cast<double>(betas[beta++]);
    out.push_back([f = known->f, a, b](double x) { return f(x, a, b); });
  }
  return out;
}

Status expect(const char* what, const Shape* s, const Shape& wanted) {
  if (s == nullptr) return {};
  bool fits = s->size() == wanted.size();
  for (size_t i = 0; fits && i < wanted.size(); ++i) fits = !(*s)[i].known() || !wanted[i].known() || (*s)[i].same(wanted[i]);
  if (fits) return {};
  return fail(ErrorCode::invalid_model, "{} has the shape {}, expected is {}", what, to_string(Fact::tensor(E::undefined, *s)),
              to_string(Fact::tensor(E::undefined, wanted)));
}

/// The extents that the inputs agree on.
struct Extents {
  Dim seq, batch, input, hidden;
  int64_t dirs = 1;
};

template <class A>
Result<Extents> extents(const A& a, int64_t gates, const std::function<const Shape*(size_t)>& shape) {
  Extents e;
  e.seq = e.batch = e.input = Dim::unknown();
  e.hidden = a.hidden_size ? Dim(*a.hidden_size) : Dim::unknown();
  if (a.hidden_size && (*a.hidden_size < 1 || *a.hidden_size > kLargestHidden)) {
    return fail(ErrorCode::invalid_model, "hidden_size is {}; 1..{} is expected", *a.hidden_size, kLargestHidden);
  }
  if (a.layout != 0 && a.layout != 1) return fail(ErrorCode::invalid_model, "layout is {}; 0 or 1 is expected", a.layout);
  e.dirs = TRY(directions(a.direction));
  const bool batch_first = a.layout == 1;
  if (const Shape* x = shape(kX)) {
    TRY(expect("X", x, {Dim::unknown(), Dim::unknown(), Dim::unknown()}));
    e.seq = (*x)[batch_first ? 1 : 0];
    e.batch = (*x)[batch_first ? 0 : 1];
    e.input = (*x)[2];
  }
  if (const Shape* r = shape(kR); r != nullptr && r->size() == 3 && !e.hidden.known()) e.hidden = (*r)[2];
  const Dim rows = e.hidden * Dim(gates), dirs = e.dirs;
  const Shape state = batch_first ? Shape{e.batch, dirs, e.hidden} : Shape{dirs, e.batch, e.hidden};
  TRY(expect("W", shape(kW), {dirs, rows, e.input}));
  TRY(expect("R", shape(kR), {dirs, rows, e.hidden}));
  TRY(expect("B", shape(kB), {dirs, rows * Dim(2)}));
  TRY(expect("sequence_lens", shape(kLengths), {e.batch}));
  TRY(expect("initial_h", shape(kH0), state));
  TRY(expect("initial_c", shape(kC0), state));
  TRY(expect("P", shape(kP), {dirs, e.hidden * Dim(3)}));
  return e;
}

template <class A, int64_t gates>
Status infer(InferContext& c) {
  const A& a = c.attrs<A>();
  const Extents e = TRY(extents(a, gates, [&](size_t i) { return c.shape(i); }));
  const bool batch_first = a.layout == 1;
  const Dim dirs = e.dirs;
  const Shape state = batch_first ? Shape{e.batch, dirs, e.hidden} : Shape{dirs, e.batch, e.hidden};
  c.set(0, c.type(0), batch_first ? Shape{e.batch, e.seq, dirs, e.hidden} : Shape{e.seq, dirs, e.batch, e.hidden});
  c.set(1, c.type(0), state);
  c.set(2, c.type(0), state);
  return {};
}

/// The weights of one direction.
struct Direction {
  const double *w, *r;    ///< [gates * hidden, input], [gates * hidden, hidden]
  const double *wb, *rb;  ///< [gates * hidden]
  const double* peep;     ///< [3 * hidden] or null
  std::span<const Activation> f;
  double clip;

  double peephole(size_t i, double cell) const { return peep == nullptr ? 0 : peep[i] * cell; }
  double clipped(double x) const { return clip > 0 ? std::min(std::max(x, -clip), clip) : x; }
};

/// One sequence's state while it runs; `next` computes h (and c) from x.
using Cell = std::function<void(const Direction&, const double* x, std::vector<double>& h, std::vector<double>& c)>;

/// out[i] = row (first + i) of m times v.
void rows_times(const double* m, int64_t first, int64_t count, int64_t width, const double* v, double* out) {
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (int64_t k = 0; k < width; ++k) sum += m[(first + i) * width + k] * v[k];
    out[i] = sum;
  }
}

template <class A>
Status run_layer(RefContext& c, int64_t gates, std::vector<std::string> default_activations, int64_t state_outputs,
                 const std::function<Cell(int64_t input, int64_t hidden)>& make_cell) {
  const A& a = c.attrs<A>();
  std::vector<Shape> shapes(8);
  const Extents e = TRY(extents(a, gates, [&](size_t i) -> const Shape* {
    if (!c.has(i)) return nullptr;
    const Dims d = c.in(i).dims();
    shapes[i] = Shape(d.begin(), d.end());
    return &shapes[i];
  }));
  const int64_t seq = e.seq.value(), batch = e.batch.value(), input = e.input.value(), hidden = e.hidden.value(), dirs = e.dirs;
  const bool batch_first = a.layout == 1;
  const auto functions =
      TRY(activations(a.activations, a.activation_alpha, a.activation_beta, std::move(default_activations), dirs));
  const auto read = [&](size_t i, int64_t count) {
    return c.has(i) ? c.doubles(i) : std::vector<double>(static_cast<size_t>(count));
  };
  const std::vector<double> x = c.doubles(kX), w = c.doubles(kW), r = c.doubles(kR), b = read(kB, dirs * 2 * gates * hidden);
  const std::vector<double> peep = read(kP, 0);
  std::vector<double> hs = read(kH0, dirs * batch * hidden), cs = read(kC0, dirs * batch * hidden);
  std::vector<double> y(static_cast<size_t>(seq * dirs * batch * hidden));
  const std::vector<int64_t> lengths = c.has(kLengths) ? c.ints(kLengths) : std::vector<int64_t>(static_cast<size_t>(batch), seq);
  const Cell cell = make_cell(input, hidden);
  for (int64_t dir = 0; dir < dirs; ++dir) {
    const double* bias = b.data() + dir * 2 * gates * hidden;
    const size_t per_direction = functions.size() / static_cast<size_t>(dirs);
    const Direction weights = {w.data() + dir * gates * hidden * input,
                               r.data() + dir * gates * hidden * hidden,
                               bias,
                               bias + gates * hidden,
                               peep.empty() ? nullptr : peep.data() + dir * 3 * hidden,
                               std::span(functions).subspan(static_cast<size_t>(dir) * per_direction, per_direction),
                               static_cast<double>(a.clip.value_or(0.0f))};
    const bool backwards = a.direction == "reverse" || dir == 1;
    for (int64_t n = 0; n < batch; ++n) {
      const int64_t length = lengths[static_cast<size_t>(n)];
      if (length < 0 || length > seq) {
        return fail(ErrorCode::data_fault, "sequence_lens has the value {}; the sequence has {} steps", length, seq);
      }
      const int64_t state = (batch_first ? n * dirs + dir : dir * batch + n) * hidden;
      std::vector<double> h(hs.begin() + state, hs.begin() + state + hidden),
          cell_state(cs.begin() + state, cs.begin() + state + hidden);
      for (int64_t step = 0; step < length; ++step) {
        const int64_t t = backwards ? length - 1 - step : step;
        cell(weights, x.data() + (batch_first ? n * seq + t : t * batch + n) * input, h, cell_state);
        const int64_t to = (batch_first ? (n * seq + t) * dirs + dir : (t * dirs + dir) * batch + n) * hidden;
        std::copy(h.begin(), h.end(), y.begin() + to);
      }
      std::copy(h.begin(), h.end(), hs.begin() + state);
      std::copy(cell_state.begin(), cell_state.end(), cs.begin() + state);
    }
  }
  const ElementType type = c.in(kX).type();
  const Dims state = batch_first ? Dims{batch, dirs, hidden} : Dims{dirs, batch, hidden};
  c.set_doubles(0, type, batch_first ? Dims{batch, seq, dirs, hidden} : Dims{seq, dirs, batch, hidden}, y);
  c.set_doubles(1, type, state, hs);
  if (state_outputs == 2) c.set_doubles(2, type, state, cs);
  return {};
}

/// Pre-activations of `gates` gates from both inputs, biases included.
std::vector<double> projected(const Direction& d, int64_t gates, int64_t input, int64_t hidden, const double* x,
                              const double* h) {
  const int64_t rows = gates * hidden;
  std::vector<double> from_x(static_cast<size_t>(rows)), from_h(from_x);
  rows_times(d.w, 0, rows, input, x, from_x.data());
  rows_times(d.r, 0, rows, hidden, h, from_h.data());
  for (size_t i = 0; i < from_x.size(); ++i) from_x[i] += from_h[i] + d.wb[i] + d.rb[i];
  return from_x;
}

Status run_lstm(RefContext& c) {
  const bool coupled = c.attrs<LstmAttrs>().input_forget;
  return run_layer<LstmAttrs>(c, 4, {"sigmoid", "tanh", "tanh"}, 2, [coupled](int64_t input, int64_t hidden) -> Cell {
    return [=](const Direction& d, const double* x, std::vector<double>& h, std::vector<double>& cs) {
      const std::vector<double> gate = projected(d, 4, input, hidden, x, h.data());
      const auto n = static_cast<size_t>(hidden);
      for (size_t k = 0; k < n; ++k) {
        const double in = d.f[0](d.clipped(gate[k] + d.peephole(k, cs[k])));
        const double forget = coupled ? 1 - in : d.f[0](d.clipped(gate[2 * n + k] + d.peephole(2 * n + k, cs[k])));
        const double next = forget * cs[k] + in * d.f[1](d.clipped(gate[3 * n + k]));
        const double out = d.f[0](d.clipped(gate[n + k] + d.peephole(n + k, next)));
        cs[k] = next;
        h[k] = out * d.f[2](d.clipped(next));
      }
    };
  });
}

Status run_gru(RefContext& c) {
  const bool linear = c.attrs<GruAttrs>().linear_before_reset;
  return run_layer<GruAttrs>(c, 3, {"sigmoid", "tanh"}, 1, [linear](int64_t input, int64_t hidden) -> Cell {
    return [=](const Direction& d, const double* x, std::vector<double>& h, std::vector<double>&) {
      const auto n = static_cast<size_t>(hidden);
      const std::vector<double> gate = projected(d, 2, input, hidden, x, h.data());
      std::vector<double> reset(n), from_x(n), from_h(n), gated(n);
      for (size_t k = 0; k < n; ++k) reset[k] = d.f[0](d.clipped(gate[n + k]));
      for (size_t k = 0; k < n; ++k) gated[k] = linear ? h[k] : reset[k] * h[k];
      rows_times(d.w, 2 * hidden, hidden, input, x, from_x.data());
      rows_times(d.r, 2 * hidden, hidden, hidden, gated.data(), from_h.data());
      for (size_t k = 0; k < n; ++k) {
        const double recurrent = from_h[k] + d.rb[2 * n + k];
        const double candidate = d.f[1](d.clipped(from_x[k] + d.wb[2 * n + k] + (linear ? reset[k] * recurrent : recurrent)));
        const double keep = d.f[0](d.clipped(gate[k]));
        h[k] = (1 - keep) * candidate + keep * h[k];
      }
    };
  });
}

Status run_rnn(RefContext& c) {
  return run_layer<RnnAttrs>(c, 1, {"tanh"}, 1, [](int64_t input, int64_t hidden) -> Cell {
    return [=](const Direction& d, const double* x, std::vector<double>& h, std::vector<double>&) {
      const std::vector<double> gate = projected(d, 1, input, hidden, x, h.data());
      for (size_t k = 0; k < h.size(); ++k) h[k] = d.f[0](d.clipped(gate[k]));
    };
  });
}

struct Layout {
  int64_t seq = 3, batch = 2, input = 5, hidden = 4, dirs = 1;
  bool bias = true, lengths = false, h0 = false, c0 = false, peep = false, batch_first = false;
  ElementType type = E::f32;
};

Sample make(std::string label, Attrs attrs, int64_t gates, const Layout& l, size_t outputs) {
  const auto rows = gates * l.hidden;
  const Dims state = l.batch_first ? Dims{l.batch, l.dirs, l.hidden} : Dims{l.dirs, l.batch, l.hidden};
  using sample::absent, sample::constant, sample::noise;
  Sample s{std::move(label),
           std::move(attrs),
           {{noise(l.type, l.batch_first ? Dims{l.batch, l.seq, l.input} : Dims{l.seq, l.batch, l.input})},
            constant(noise(l.type, {l.dirs, rows, l.input}, 2)),
            constant(noise(l.type, {l.dirs, rows, l.hidden}, 3))},
           outputs};
  s.inputs.push_back(l.bias ? constant(noise(l.type, {l.dirs, 2 * rows}, 4)) : absent());
  Tensor lengths(E::i32, {l.batch});
  for (int64_t n = 0; n < l.batch; ++n) lengths.as<int32_t>()[n] = static_cast<int32_t>(l.seq - n % l.seq);
  s.inputs.push_back(l.lengths ? SampleInput{lengths} : absent());
  s.inputs.push_back(l.h0 ? SampleInput{noise(l.type, state, 5)} : absent());
  if (gates == 4) {
    s.inputs.push_back(l.c0 ? SampleInput{noise(l.type, state, 6)} : absent());
    s.inputs.push_back(l.peep ? constant(noise(l.type, {l.dirs, 3 * l.hidden}, 7)) : absent());
  }
  while (!s.inputs.back().value.has_value()) s.inputs.pop_back();
  return s;
}

std::vector<Sample> lstm_samples() {
  using A = LstmAttrs;
  const std::vector<std::string> mixed = {"HardSigmoid", "Softsign", "ScaledTanh", "Sigmoid", "Elu", "Relu"};
  return {
      make("plain", A{.hidden_size = 4}, 4, {.bias = false}, 3),
      make("states_one_step", A{.hidden_size = 64}, 4, {.seq = 1, .batch = 1, .input = 64, .hidden = 64, .h0 = true, .c0 = true},
           3),
      make("odd_sizes", A{.hidden_size = 17}, 4, {.seq = 5, .batch = 3, .input = 24, .hidden = 17, .h0 = true, .c0 = true}, 3),
      make("reverse", A{.direction = "reverse", .hidden_size = 4}, 4, {}, 3),
      make("both_ways", A{.direction = "bidirectional", .hidden_size = 8}, 4,
           {.seq = 4, .hidden = 8, .dirs = 2, .h0 = true, .c0 = true}, 3),
      make("lengths", A{.direction = "bidirectional", .hidden_size = 4}, 4, {.seq = 4, .batch = 3, .dirs = 2, .lengths = true},
           3),
      make("peepholes", A{.hidden_size = 4}, 4, {.c0 = true, .peep = true}, 3),
      make("clip_coupled", A{.clip = 0.3f, .hidden_size = 4, .input_forget = true}, 4, {.peep = true}, 3),
      make("activations",
           A{.activation_alpha = {0.3f, 0.9f, 0.5f},
             .activation_beta = {0.4f, 0.7f},
             .activations = mixed,
             .direction = "bidirectional"},
           4, {.dirs = 2}, 3),
      make("batch_first", A{.hidden_size = 4, .layout = 1}, 4, {.h0 = true, .c0 = true, .batch_first = true}, 3),
      make("only_y", A{.hidden_size = 4}, 4, {}, 1),
      make("f64", A{.hidden_size = 4}, 4, {.type = E::f64}, 3),
      make("f16", A{.hidden_size = 4}, 4, {.type = E::f16}, 3),
  };
}

std::vector<Sample> gru_samples() {
  using A = GruAttrs;
  return {make("plain", A{.hidden_size = 4}, 3, {.bias = false}, 2),
          make("linear_before_reset", A{.hidden_size = 17, .linear_before_reset = true}, 3,
               {.input = 24, .hidden = 17, .h0 = true}, 2),
          make("reset_before", A{.hidden_size = 17}, 3, {.input = 24, .hidden = 17, .h0 = true}, 2),
          make("both_ways_lengths", A{.direction = "bidirectional", .hidden_size = 4}, 3,
               {.batch = 3, .dirs = 2, .lengths = true}, 2),
          make("clip_activations", A{.activations = {"HardSigmoid", "Relu"}, .clip = 0.5f, .hidden_size = 4}, 3, {}, 2),
          make("batch_first", A{.hidden_size = 4, .layout = 1}, 3, {.batch_first = true}, 2),
          make("f16", A{.hidden_size = 4}, 3, {.type = E::f16}, 2)};
}

std::vector<Sample> rnn_samples() {
  using A = RnnAttrs;
  return {
      make("plain", A{.hidden_size = 4}, 1, {}, 2),
      make("reverse", A{.direction = "reverse", .hidden_size = 17}, 1, {.input = 3, .hidden = 17, .h0 = true}, 2),
      make("both_ways", A{.activations = {"Relu", "Affine"}, .direction = "bidirectional", .hidden_size = 4}, 1, {.dirs = 2}, 2),
      make("batch_first_lengths", A{.hidden_size = 4, .layout = 1}, 1, {.lengths = true, .batch_first = true}, 2)};
}

/// Before version 7 outputs were asked for by an attribute, and the first GRU misspelt its default direction.
Status upgrade_recurrent(OnnxNode& node) {
  if (node.version >= 7) return {};
  node.drop("output_sequence");
  std::string direction = node.take_string("direction", "forward");
  node.attrs["direction"] = direction == "foward" ? std::string("forward") : std::move(direction);
  return {};
}

Op recurrent_op(std::string_view op_name, std::vector<int> versions) {
  return Op(op_name, std::move(versions))
      .in("X", kFloat)
      .in("W", kFloat)
      .in("R", kFloat)
      .opt("B", kFloat)
      .opt("sequence_lens", types(E::i32), 'I')
      .opt("initial_h", kFloat)
      .opt_out("Y")
      .opt_out("Y_h")
      .upgrade(upgrade_recurrent)
      .tolerance(Tolerance::rounding);
}

}  // namespace

OpFamily recurrent() {
  return {
      recurrent_op("LSTM", {1, 7, 14, 22})
          .attrs<LstmAttrs>()
          .opt("initial_c", kFloat)
          .opt("P", kFloat)
          .opt_out("Y_c")
          .infer(infer<LstmAttrs, 4>)
          .reference(run_lstm)
          .samples(lstm_samples)
          .doc("Long short-term memory along a sequence"),
      recurrent_op("GRU", {1, 3, 7, 14, 22})
          .attrs<GruAttrs>()
          .infer(infer<GruAttrs, 3>)
          .reference(run_gru)
          .samples(gru_samples)
          .doc("Gated recurrent unit along a sequence"),
      recurrent_op("RNN", {1, 7, 14, 22})
          .attrs<RnnAttrs>()
          .infer(infer<RnnAttrs, 1>)
          .reference(run_rnn)
          .samples(rnn_samples)
          .doc("A plain recurrent cell along a sequence"),
  };
}

}  // namespace slipway::ops
