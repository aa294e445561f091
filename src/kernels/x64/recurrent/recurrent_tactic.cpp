// LSTM and GRU with the usual activations: all steps' products with W in one GEMM, then step by step the product with R and the
// cells. Directions and stretches of the batch run side by side.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/gemm/gemm.hpp"
#include "kernels/x64/rows/rows.hpp"
#include "ops/recurrent.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

enum Input : size_t { kX, kW, kR, kB, kLengths, kH0, kC0, kP };

struct Layer {
  bool lstm = true;
  bool linear = false;  ///< GRU: the reset gate works on the product, not on the state
  bool batch_first = false, reverse = false, has_bias = false, has_h0 = false, has_c0 = false;
  bool has_lengths = false;  ///< a sequence ends before the others: its state stays, its outputs are zero
  bool wants_y = false, wants_h = false, wants_c = false;
  int64_t seq = 0, batch = 0, input = 0, hidden = 0, dirs = 1;

  int64_t gates() const { return lstm ? 4 : 3; }
  int64_t width() const { return gates() * hidden; }
  /// Columns of the first product with R in a step; a GRU has a second one of `hidden` columns.
  int64_t first_columns() const { return lstm ? width() : 2 * hidden; }
  int64_t bias_floats() const { return width() + hidden; }
};

bool usual(const std::vector<std::string>& names, const std::vector<std::string_view>& wanted) {
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string_view want = wanted[i % wanted.size()];
    const bool same =
        std::equal(names[i].begin(), names[i].end(), want.begin(), want.end(), [](char a, char b) { return (a | 32) == b; });
    if (!same) return false;
  }
  return true;
}

template <class Attrs>
bool read_attrs(const Attrs& attrs, const std::vector<std::string_view>& activations, Layer& layer, std::string& reason) {
  if (attrs.clip.value_or(0) > 0) return reason = "clip", false;
  if (!usual(attrs.activations, activations)) return reason = "unusual activations", false;
  layer.batch_first = attrs.layout == 1;
  layer.reverse = attrs.direction == "reverse";
  return true;
}

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  layer.lstm = query.is("LSTM");
  if (layer.lstm) {
    const auto& attrs = query.node.attrs.as<ops::LstmAttrs>();
    if (attrs.input_forget) return reason = "coupled gates", false;
    if (!read_attrs(attrs, {"sigmoid", "tanh", "tanh"}, layer, reason)) return false;
  } else {
    const auto& attrs = query.node.attrs.as<ops::GruAttrs>();
    layer.linear = attrs.linear_before_reset;
    if (!read_attrs(attrs, {"sigmoid", "tanh"}, layer, reason)) return false;
  }
  if (query.has(kP)) return reason = "peepholes", false;
  for (const size_t i : {kX, kW, kR, kB, kH0, kC0}) {
    if (query.has(i) && query.inputs[i].type != ElementType::f32) return reason = "f32 only", false;
  }
  if (query.inputs[kW].constant == nullptr || query.inputs[kR].constant == nullptr)
    return reason = "weights that are not constant", false;
  layer.has_bias = query.has(kB);
  if (layer.has_bias && query.inputs[kB].constant == nullptr) return reason = "a bias that is not constant", false;
  const Dims &x = query.inputs[kX].dims, &r = query.inputs[kR].dims;
  if (x.count() == 0 || r.count() == 0) return reason = "empty", false;
  layer.seq = x[layer.batch_first ? 1 : 0];
  layer.batch = x[layer.batch_first ? 0 : 1];
  layer.input = x[2];
  layer.hidden = r[2];
  layer.dirs = r[0];
  layer.has_lengths = query.has(kLengths);
  layer.has_h0 = query.has(kH0);
  layer.has_c0 = layer.lstm && query.has(kC0);
  const auto wants = [&](size_t i) { return i < query.outputs.size() && !query.outputs[i].absent(); };
  layer.wants_y = wants(0);
  layer.wants_h = wants(1);
  layer.wants_c = layer.lstm && wants(2);
  return true;
}

/// Rows [first, first + shape.n) of every direction's [rows, shape.k] matrix, transposed into panels.
struct Part {
  int64_t first;
  gemm::PackShape shape;
};

Result<tactic::Packed> pack_weights(tactic::BuildContext& context, size_t input, const Layer& layer, std::vector<Part> parts) {
  tactic::Packing packing;
  packing.recipe = "recurrent/f32";
  for (const Part& part : parts) {
    packing.recipe += fmt::format("/{}n{}", part.shape.n, part.shape.panel_columns);
    packing.bytes += part.shape.bytes() * static_cast<size_t>(layer.dirs);
  }
  packing.pack = [parts = std::move(parts), dirs = layer.dirs, rows = layer.width()](const Tensor& from, std::byte* to) {
    auto* out = reinterpret_cast<float*>(to);
    for (int64_t dir = 0; dir < dirs; ++dir) {
      for (const Part& part : parts) {
        gemm::pack_b_transposed(part.shape, from.as<float>() + (dir * rows + part.first) * part.shape.k, part.shape.k, out);
        out += part.shape.elements();
      }
    }
  };
  return context.pack(input, packing);
}

/// For each direction what is added to the product with W, [width], then what is added to a GRU's second product with R,
/// [hidden].
Result<tactic::Packed> pack_bias(tactic::BuildContext& context, const Layer& layer) {
  tactic::Packing packing;
  packing.recipe = layer.linear ? "recurrent_bias/f32/linear" : "recurrent_bias/f32";
  packing.bytes = static_cast<size_t>(layer.dirs * layer.bias_floats()) * sizeof(float);
  packing.pack = [layer](const Tensor& from, std::byte* to) {
    auto* out = reinterpret_cast<float*>(to);
    const int64_t width = layer.width(), summed = layer.linear ? 2 * layer.hidden : width;
    for (int64_t dir = 0; dir < layer.dirs; ++dir, out += layer.bias_floats()) {
      const float *w = from.as<float>() + dir * 2 * width, *r = w + width;
      for (int64_t i = 0; i < width; ++i) out[i] = i < summed ? w[i] + r[i] : w[i];
      for (int64_t i = 0; i < layer.hidden; ++i) out[width + i] = layer.linear ? r[2 * layer.hidden + i] : 0;
    }
  };
  return context.pack(kB, packing);
}

class RecurrentKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const Layer& layer,
                                                       tactic::BuildContext& context) {
    std::unique_ptr<RecurrentKernel> kernel(new RecurrentKernel());
    TRY(kernel->prepare(query.machine, layer, context));
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    for (int64_t b = 0; b < layer_.batch; ++b) {
      if (length_of(exec, b) >= 0 && length_of(exec, b) <= layer_.seq) continue;
      fmt::format_to_n(std::back_inserter(*exec.fault_text), 200, "sequence_lens has the value {}; the sequence has {} steps",
                       length_of(exec, b), layer_.seq);
      return Fault::invalid_value;
    }
    auto* scratch = reinterpret_cast<float*>(exec.scratch);
    for (int64_t dir = 0; dir < layer_.dirs; ++dir) {
      gemm::GemmArgs args;
      args.a = static_cast<const float*>(exec.inputs[kX]);
      args.lda = layer_.input;
      args.b = floats(w_) + dir * w_floats_;
      args.c = scratch + dir * gate_floats_;
      args.ldc = layer_.width();
      args.operands[1] = {bias(dir), 0};
      projection_->run(args, exec.team);
    }
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(layer_.dirs * chunks_, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) run_chunk(exec, scratch, i / chunks_, i % chunks_);
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override {
    return fmt::format("{} of {} cells, W {}, R {}", layer_.lstm ? "lstm" : "gru", layer_.hidden, projection_->describe(),
                       steps_[0].describe());
  }

 private:
  static const float* floats(const tactic::Packed& packed) { return reinterpret_cast<const float*>(packed.get()); }
  const float* bias(int64_t dir) const { return layer_.has_bias ? floats(bias_) + dir * layer_.bias_floats() : nullptr; }

  int64_t length_of(const Exec& exec, int64_t b) const {
    return layer_.has_lengths ? static_cast<const int32_t*>(exec.inputs[kLengths])[b] : layer_.seq;
  }

  Result<gemm::Gemm> make_gemm(Isa isa, int64_t m, int64_t n, int64_t k, bool accumulate, bool biased) {
    gemm::GemmSpec spec;
    spec.isa = isa;
    spec.m = m;
    spec.n = n;
    spec.k = k;
    spec.lda = k;
    spec.accumulate = accumulate;
    if (biased) {
      spec.tail = eltwise::tail();
      const uint8_t column = spec.tail.operand(eltwise::Spread::column);
      spec.tail.step(eltwise::Fn::add, 0, column);
    }
    return gemm::Gemm::make(spec);
  }

  Status prepare(const tactic::Machine& machine, const Layer& layer, tactic::BuildContext& context) {
    layer_ = layer;
    functions_ = &rows::functions(machine.isa);
    const int64_t hidden = layer.hidden;
    const auto w = gemm::PackShape::make(machine.isa, layer.input, layer.width());
    const auto first = gemm::PackShape::make(machine.isa, hidden, layer.first_columns());
    const auto second = gemm::PackShape::make(machine.isa, hidden, hidden);
    w_floats_ = w.elements();
    first_floats_ = first.elements();
    r_floats_ = first_floats_ + (layer.lstm ? 0 : second.elements());
    w_ = TRY(pack_weights(context, kW, layer, {{0, w}}));
    std::vector<Part> r_parts = {{0, first}};
    if (!layer.lstm) r_parts.push_back({2 * hidden, second});
    r_ = TRY(pack_weights(context, kR, layer, std::move(r_parts)));
    if (layer.has_bias) bias_ = TRY(pack_bias(context, layer));

    projection_ = TRY(make_gemm(machine.isa, layer.seq * layer.batch, layer.width(), layer.input, false, layer.has_bias));
    chunks_ = std::clamp<int64_t>(machine.threads / layer.dirs, 1, layer.batch);
    for (int tall = 0; tall < 2; ++tall) {
      if (tall == 1 && layer.batch % chunks_ == 0) break;
      const int64_t count = layer.batch / chunks_ + tall;
      steps_.push_back(TRY(make_gemm(machine.isa, count, layer.first_columns(), hidden, true, false)));
      if (!layer.lstm)
        candidates_.push_back(TRY(make_gemm(machine.isa, count, hidden, hidden, false, layer.linear && layer.has_bias)));
    }
    gate_floats_ = layer.seq * layer.batch * layer.width();
    state_floats_ = layer.batch * hidden;
    context.book_scratch(static_cast<size_t>(layer.dirs * (gate_floats_ + 3 * state_floats_)) * sizeof(float));
    return {};
  }

  /// Floats from the start of an [.., batch, .., hidden] state tensor.
  int64_t state_at(int64_t dir, int64_t b) const {
    return (layer_.batch_first ? b * layer_.dirs + dir : dir * layer_.batch + b) * layer_.hidden;
  }
  int64_t y_at(int64_t t, int64_t dir, int64_t b) const {
    const Layer& l = layer_;
    return (l.batch_first ? (b * l.seq + t) * l.dirs + dir : (t * l.dirs + dir) * l.batch + b) * l.hidden;
  }

  /// Some entries of the batch through the whole sequence in one direction.
  void run_chunk(const Exec& exec, float* scratch, int64_t dir, int64_t chunk) const {
    const Layer& l = layer_;
    const Team::Range range = Team::share(l.batch, static_cast<int>(chunk), static_cast<int>(chunks_));
    const size_t tall = range.end - range.begin > l.batch / chunks_ ? 1 : 0, row = static_cast<size_t>(l.hidden) * sizeof(float);
    float* gates = scratch + dir * gate_floats_;
    float* h = scratch + l.dirs * gate_floats_ + dir * 3 * state_floats_;
    float *c = h + state_floats_, *spare = c + state_floats_;
    const auto load = [&](float* to, size_t input, bool present) {
      for (int64_t b = range.begin; b < range.end; ++b) {
        if (present) {
          std::memcpy(to + b * l.hidden, static_cast<const float*>(exec.inputs[input]) + state_at(dir, b), row);
        } else {
          std::memset(to + b * l.hidden, 0, row);
        }
      }
    };
    load(h, kH0, l.has_h0);
    load(c, kC0, l.has_c0);
    int64_t longest = 0;
    for (int64_t b = range.begin; b < range.end; ++b) longest = std::max(longest, length_of(exec, b));
    const int64_t entry_step = (l.batch_first ? l.seq : 1) * l.width(), time_step = (l.batch_first ? 1 : l.batch) * l.width();
    for (int64_t step = 0; step < l.seq; ++step) {
      const int64_t t = l.reverse || dir == 1 ? l.seq - 1 - step : step;
      Step at{exec, t, gates + t * time_step, entry_step, h, c, spare, dir, tall, range};
      if (t < longest) l.lstm ? lstm_step(at) : gru_step(at);
      for (int64_t b = range.begin; l.wants_y && b < range.end; ++b) {
        float* y = static_cast<float*>(exec.outputs[0]) + y_at(t, dir, b);
        t < length_of(exec, b) ? std::memcpy(y, h + b * l.hidden, row) : std::memset(y, 0, row);
      }
    }
    for (int64_t b = range.begin; b < range.end; ++b) {
      if (l.wants_h) std::memcpy(static_cast<float*>(exec.outputs[1]) + state_at(dir, b), h + b * l.hidden, row);
      if (l.wants_c) std::memcpy(static_cast<float*>(exec.outputs[2]) + state_at(dir, b), c + b * l.hidden, row);
    }
  }

  /// One point in time of a chunk; rows of gates are `gate_step` apart, those of the states `hidden`.
  struct Step {
    const Exec& exec;
    int64_t time;
    float* gates;
    int64_t gate_step;
    float *h, *c, *spare;
    int64_t dir;
    size_t tall;
    Team::Range range;
  };

  /// gates += h * R^T over the first columns.
  void recur(const Step& at) const {
    gemm::GemmArgs args;
    args.a = at.h + at.range.begin * layer_.hidden;
    args.lda = layer_.hidden;
    args.b = floats(r_) + at.dir * r_floats_;
    args.c = at.gates + at.range.begin * at.gate_step;
    args.ldc = at.gate_step;
    steps_[at.tall].run_part(args, 0, 1);
  }

  void lstm_step(const Step& at) const {
    recur(at);
    const int64_t n = layer_.hidden;
    for (int64_t b = at.range.begin; b < at.range.end; ++b) {
      if (at.time >= length_of(at.exec, b)) continue;
      functions_->lstm_cell(at.gates + b * at.gate_step, at.c + b * n, at.h + b * n, n);
    }
  }

  /// c is scratch here: linear, it holds the product with the state before the reset, else the gated state.
  void gru_step(const Step& at) const {
    recur(at);
    const int64_t n = layer_.hidden;
    const auto gate = [&](const float* x, float* gated) {
      for (int64_t b = at.range.begin; b < at.range.end; ++b) {
        functions_->gru_gates(at.gates + b * at.gate_step, x + b * n, gated + b * n, n);
      }
    };
    const auto product = [&](const float* a, float* out) {
      gemm::GemmArgs args;
      args.a = a + at.range.begin * n;
      args.lda = n;
      args.b = floats(r_) + at.dir * r_floats_ + first_floats_;
      args.c = out + at.range.begin * n;
      args.ldc = n;
      if (layer_.has_bias) args.operands[1] = {bias(at.dir) + layer_.width(), 0};
      candidates_[at.tall].run_part(args, 0, 1);
    };
    if (layer_.linear) {
      product(at.h, at.c);
      gate(at.c, at.spare);
    } else {
      gate(at.h, at.c);
      product(at.c, at.spare);
    }
    for (int64_t b = at.range.begin; b < at.range.end; ++b) {
      if (at.time >= length_of(at.exec, b)) continue;
      functions_->gru_cell(at.gates + b * at.gate_step, at.spare + b * n, at.h + b * n, n);
    }
  }

  Layer layer_;
  const rows::Functions* functions_ = nullptr;
  tactic::Packed w_, r_, bias_;
  std::optional<gemm::Gemm> projection_;
  std::vector<gemm::Gemm> steps_, candidates_;  ///< for the lesser stretch of the batch and for the one of an entry more
  int64_t chunks_ = 1, gate_floats_ = 0, state_floats_ = 0, w_floats_ = 0, r_floats_ = 0, first_floats_ = 0;
};

tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kFlopsPerUs = 30e3;
  const double flops = 2.0 * static_cast<double>(layer.dirs * layer.seq * layer.batch) *
                       static_cast<double>(layer.width() * (layer.input + layer.hidden));
  return tactic::Verdict::yes(2 + flops / kFlopsPerUs, "packed weights, step by step");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return Error(ErrorCode::internal, reason);
  return RecurrentKernel::build(query, layer, context);
}

}  // namespace

tactic::TacticList recurrent_tactic() {
  return {{"x64.recurrent", Isa::avx2, {"LSTM", "GRU"}, judge, build}};
}

}  // namespace slipway::kernels
