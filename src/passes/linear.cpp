#include "passes/linear.hpp"

#include <algorithm>
#include <cmath>

#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/gemm.hpp"
#include "ops/reference.hpp"

namespace slipway::passes {
namespace {

template <class A>
bool no_padding(const A& attrs) {
  const bool explicit_pads = attrs.auto_pad == "NOTSET" || attrs.auto_pad.empty();
  if (!explicit_pads && attrs.auto_pad != "VALID") return false;
  return !explicit_pads || std::all_of(attrs.pads.begin(), attrs.pads.end(), [](int64_t p) { return p == 0; });
}

std::vector<double> doubles(const Tensor& t) {
  std::vector<double> out(static_cast<size_t>(t.count()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = ops::load<double>(t, static_cast<int64_t>(i));
  return out;
}

}  // namespace

std::optional<Linear> Linear::of(const Site& site, const ir::Node& node) {
  const bool conv = node.is("Conv"), transposed = node.is("ConvTranspose"), gemm = node.is("Gemm"), matmul = node.is("MatMul");
  if (!conv && !transposed && !gemm && !matmul) return std::nullopt;
  const Tensor* weights = site.constant(node.inputs[1]);
  const ir::Fact& out = site.fact(node.outputs[0]);
  if (weights == nullptr || !contains(type_sets::kFloat, weights->type()) || !has_rank(out)) return std::nullopt;
  const Dims& w = weights->dims();
  Linear l;
  l.op_ = node.op;
  l.attrs_ = node.attrs;
  l.type_ = weights->type();
  l.weights_id_ = node.inputs[1];
  l.weights_ = *weights;
  const auto rank = static_cast<int>(out.shape->size());
  if (conv || transposed) {
    if (w.rank() < 3 || rank != w.rank()) return std::nullopt;
    l.kind_ = conv ? Kind::conv : Kind::transposed;
    l.groups_ = conv ? node.attrs.as<ops::ConvAttrs>().group : node.attrs.as<ops::ConvTransposeAttrs>().group;
    // A transposed convolution leaves holes and borders that fewer taps reach, so shifts of its input never move across.
    l.unpadded_ = conv && no_padding(node.attrs.as<ops::ConvAttrs>());
    l.in_ = conv ? w[1] * l.groups_ : w[0];
    l.out_ = conv ? w[0] : w[1] * l.groups_;
    l.taps_ = w.count(2, w.rank());
    l.input_axis_ = l.output_axis_ = 1 - rank;
    if (l.groups_ <= 0 || l.in_ % l.groups_ != 0 || l.out_ % l.groups_ != 0) return std::nullopt;
  } else {
    if (w.rank() != 2 || !has_rank(site.fact(node.inputs[0])) || site.fact(node.inputs[0]).shape->size() < 2) return std::nullopt;
    l.kind_ = gemm ? Kind::gemm : Kind::matmul;
    l.transposed_b_ = gemm && node.attrs.as<ops::GemmAttrs>().transB;
    l.in_ = w[l.transposed_b_ ? 1 : 0];
    l.out_ = w[l.transposed_b_ ? 0 : 1];
    l.takes_bias_ = gemm;
    l.output_axis_ = -1;
    l.input_axis_ = gemm && node.attrs.as<ops::GemmAttrs>().transA ? -2 : -1;
  }
  if (node.inputs.size() > 2 && node.inputs[2] != ir::kNone) {
    const Tensor* bias = site.constant(node.inputs[2]);
    const auto list = bias == nullptr ? std::nullopt : per_channel(*bias, -1, l.out_, 2);
    if (!list) return std::nullopt;
    l.bias_ = *list;
  }
  if (gemm) {  // beta goes into the bias, so that there is one thing to scale
    ops::GemmAttrs attrs = node.attrs.as<ops::GemmAttrs>();
    if (l.bias_) {
      for (double& b : *l.bias_) b *= static_cast<double>(attrs.beta);
    }
    attrs.beta = 1;
    l.attrs_ = attrs;
  }
  return l;
}

template <class F>
void Linear::each_weight(F&& f) const {
  int64_t i = 0;
  if (kind_ == Kind::gemm || kind_ == Kind::matmul) {
    const int64_t rows = transposed_b_ ? out_ : in_, columns = transposed_b_ ? in_ : out_;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) transposed_b_ ? f(i++, c, r) : f(i++, r, c);
    }
    return;
  }
  const int64_t in_per_group = in_ / groups_, out_per_group = out_ / groups_;
  const bool conv = kind_ == Kind::conv;
  for (int64_t outer = 0; outer < (conv ? out_ : in_); ++outer) {
    const int64_t group = outer / (conv ? out_per_group : in_per_group);
    for (int64_t inner = 0; inner < (conv ? in_per_group : out_per_group); ++inner) {
      const int64_t other = group * (conv ? in_per_group : out_per_group) + inner;
      for (int64_t tap = 0; tap < taps_; ++tap) conv ? f(i++, other, outer) : f(i++, outer, other);
    }
  }
}

void Linear::scale(std::span<const double> factors, bool outputs) {
  Tensor scaled(type_, weights_.dims());
  each_weight([&](int64_t i, int64_t in, int64_t out) {
    const double factor = factors[static_cast<size_t>(outputs ? out : in)];
    if (type_ == ElementType::f32) {
      scaled.as<float>()[i] = static_cast<float>(static_cast<double>(weights_.as<float>()[i]) * factor);
    } else {
      ops::store<double>(scaled, i, ops::load<double>(weights_, i) * factor);
    }
  });
  weights_ = std::move(scaled);
  weights_changed_ = true;
}

std::vector<double>& Linear::bias() {
  if (!bias_) bias_ = std::vector<double>(static_cast<size_t>(out_), 0.0);
  return *bias_;
}

void Linear::scale_outputs(std::span<const double> factors) {
  scale(factors, true);
  for (size_t c = 0; bias_ && c < bias_->size(); ++c) (*bias_)[c] *= factors[c];
}

void Linear::scale_inputs(std::span<const double> factors) {
  scale(factors, false);
}

void Linear::shift_outputs(std::span<const double> offsets) {
  std::vector<double>& b = bias();
  for (size_t c = 0; c < b.size(); ++c) b[c] += offsets[c];
}

void Linear::shift_inputs(std::span<const double> offsets) {
  const double alpha = kind_ == Kind::gemm ? static_cast<double>(attrs_.as<ops::GemmAttrs>().alpha) : 1.0;
  std::vector<double>& b = bias();
  each_weight([&](int64_t i, int64_t in, int64_t out) {
    b[static_cast<size_t>(out)] += alpha * ops::load<double>(weights_, i) * offsets[static_cast<size_t>(in)];
  });
}

Result<ir::ValueId> Linear::build(ir::Patch& patch, ir::ValueId input) const {
  std::vector<ir::ValueId> inputs{input, weights_changed_ ? patch.constant(weights_) : weights_id_};
  if (bias_) {
    Tensor b(type_, Dims{out_});
    for (int64_t c = 0; c < out_; ++c) ops::store<double>(b, c, (*bias_)[static_cast<size_t>(c)]);
    inputs.push_back(patch.constant(std::move(b)));
  }
  return patch.add(op_, attrs_, std::move(inputs));
}

std::optional<std::vector<double>> per_channel(const Tensor& constant, int axis, int64_t channels, size_t rank) {
  if (!contains(type_sets::kFloat, constant.type()) || static_cast<size_t>(constant.dims().rank()) > rank) return std::nullopt;
  const std::vector<double> values = doubles(constant);
  if (!std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); })) return std::nullopt;
  if (values.size() == 1) return std::vector<double>(static_cast<size_t>(channels), values[0]);
  const int at = constant.dims().rank() + axis;
  if (at < 0 || constant.dims()[at] != channels || constant.count() != channels) return std::nullopt;
  return values;
}

}  // namespace slipway::passes
