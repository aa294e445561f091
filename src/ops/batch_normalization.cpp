// BatchNormalization: every channel shifted and scaled by given (inference) or measured (training) statistics.
#include "ops/batch_normalization.hpp"

#include <cmath>

#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/reshape.hpp"
#include "ops/sample.hpp"
#include "ops/shape.hpp"

namespace slipway::ops {
namespace {

using A = BatchNormalizationAttrs;
constexpr const char* kVectors[] = {"", "scale", "B", "input_mean", "input_var"};

Status infer(InferContext& c) {
  const Shape* x = c.shape(0);
  if (x != nullptr && x->empty())
    return Error(ErrorCode::invalid_model, "the input is a scalar; axes for batch and channels are expected");
  Dim channels = x == nullptr ? Dim::unknown() : x->size() == 1 ? Dim(1) : (*x)[1];
  for (size_t i = 1; i <= 4; ++i) {
    const Shape* v = c.shape(i);
    if (v == nullptr) continue;
    if (v->size() != 1 || (channels.known() && (*v)[0].known() && !channels.same((*v)[0]))) {
      return fail(ErrorCode::invalid_model, "{} must be a vector with one element per channel of the input", kVectors[i]);
    }
    if (!channels.known()) channels = (*v)[0];
  }
  c.set(0, c.type(0), c.input(0).shape);
  c.set(1, c.type(3), Shape{channels});
  c.set(2, c.type(3), Shape{channels});
  return {};
}

Status run(RefContext& c) {
  const A& a = c.attrs<A>();
  const Dims d = c.in(0).dims();
  if (d.rank() == 0) return Error(ErrorCode::invalid_model, "the input is a scalar; axes for batch and channels are expected");
  const int64_t channels = d.rank() == 1 ? 1 : d[1], plane = d.count(2, d.rank()), images = d[0];
  for (size_t i = 1; i <= 4; ++i) {
    if (c.in(i).count() != channels) {
      return fail(ErrorCode::invalid_model, "{} has {} elements where the input has {} channels", kVectors[i], c.in(i).count(),
                  channels);
    }
  }
  std::vector<double> v = c.doubles(0), mean = c.doubles(3), variance = c.doubles(4);
  const std::vector<double> scale = c.doubles(1), bias = c.doubles(2);
  const auto each = [&](int64_t channel, auto&& f) {
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t i = 0; i < plane; ++i) f(v[static_cast<size_t>((n * channels + channel) * plane + i)]);
    }
  };
  if (a.training_mode) {
    std::vector<double> running_mean = mean, running_variance = variance;
    const auto count = static_cast<double>(images * plane), keep = static_cast<double>(a.momentum);
    for (int64_t ch = 0; ch < channels; ++ch) {
      const auto k = static_cast<size_t>(ch);
      double sum = 0, squares = 0;
      each(ch, [&](double x) { sum += x; });
      mean[k] = sum / count;
      each(ch, [&](double x) { squares += (x - mean[k]) * (x - mean[k]); });
      variance[k] = squares / count;
      running_mean[k] = running_mean[k] * keep + mean[k] * (1 - keep);
      running_variance[k] = running_variance[k] * keep + variance[k] * (1 - keep);
    }
    c.set_doubles(1, c.in(3).type(), {channels}, running_mean);
    c.set_doubles(2, c.in(3).type(), {channels}, running_variance);
  } else {
    c.set_doubles(1, c.in(3).type(), {channels}, mean);
    c.set_doubles(2, c.in(3).type(), {channels}, variance);
  }
  for (int64_t ch = 0; ch < channels; ++ch) {
    const auto k = static_cast<size_t>(ch);
    const double factor = scale[k] / std::sqrt(variance[k] + static_cast<double>(a.epsilon));
    each(ch, [&](double& x) { x = (x - mean[k]) * factor + bias[k]; });
  }
  c.set_doubles(0, c.in(0).type(), d, v);
  return {};
}

/// Before opset 9 `spatial` = 0 gave every element behind the batch axis statistics of its own: a matrix of as many channels.
Status flatten(OnnxNode& node) {
  if (node.output_count > 1)
    return Error(ErrorCode::unsupported, "BatchNormalization with spatial=0 is not supported while it trains");
  const auto rows = [&](std::initializer_list<int64_t> shape) {
    return node.constant(Tensor::vector(std::span(shape.begin(), shape.size())));
  };
  const ir::ValueId x = node.inputs[0];
  node.inputs[0] = TRY(node.emit("Reshape", ReshapeAttrs{}, {x, rows({0, -1})}));
  for (size_t i = 1; i < node.inputs.size(); ++i)
    node.inputs[i] = TRY(node.emit("Reshape", ReshapeAttrs{}, {node.inputs[i], rows({-1})}));
  BatchNormalizationAttrs attrs;
  attrs.epsilon = node.take_float("epsilon", attrs.epsilon);
  const ir::ValueId y = TRY(node.emit("BatchNormalization", attrs, node.inputs));
  node.op_type = "Reshape";
  node.inputs = {y, TRY(node.emit("Shape", ShapeAttrs{}, {x}))};
  node.attrs.clear();
  return {};
}

/// Before opset 14 training was asked for by naming more than one output, before opset 7 by leaving out is_test.
Status upgrade(OnnxNode& node) {
  node.drop("consumed_inputs");
  const bool spatial = node.take_int("spatial", 1) != 0;
  const bool testing = node.take_int("is_test", 0) != 0;
  if (!spatial) return flatten(node);
  if (node.version >= 14 || (node.version < 7 ? testing : node.output_count == 1)) return {};
  if (node.output_count > 3) {
    return Error(ErrorCode::unsupported, "saved_mean and saved_var of BatchNormalization before opset 14 are not supported");
  }
  node.attrs["training_mode"] = int64_t{1};
  return {};
}

std::vector<Sample> samples() {
  const auto make = [](std::string label, A a, const Dims& d, ElementType type = E::f32) {
    const Dims c = {d.rank() == 1 ? 1 : d[1]};
    using sample::constant;
    return Sample{std::move(label),
                  a,
                  {{sample::noise(type, d)},
                   constant(sample::noise(type, c, 2)),
                   constant(sample::noise(type, c, 3)),
                   constant(sample::noise(type, c, 4)),
                   constant(sample::random(type, c, 0.1, 2, 5))},
                  a.training_mode ? size_t{3} : size_t{1}};
  };
  return {make("image", {}, {2, 17, 5, 6}),      make("epsilon", {.epsilon = 0.01f}, {1, 24, 7, 7}),
          make("matrix", {}, {3, 32}),           make("line", {}, {2, 3, 9}),
          make("volume", {}, {1, 16, 2, 3, 4}),  make("training", {.momentum = 0.8f, .training_mode = true}, {2, 3, 4, 5}),
          make("f64", {}, {1, 3, 4, 4}, E::f64), make("f16", {}, {1, 3, 4, 4}, E::f16)};
}

}  // namespace

OpFamily batch_normalization() {
  return {Op("BatchNormalization", {1, 6, 7, 9, 14, 15})
              .attrs<A>()
              .in("X", kFloat)
              .in("scale", kFloat, 'S')
              .in("B", kFloat, 'S')
              .in("input_mean", kFloat, 'M')
              .in("input_var", kFloat, 'M')
              .out("Y")
              .opt_out("running_mean", kFloat, 'M')
              .opt_out("running_var", kFloat, 'M')
              .infer(infer)
              .reference(run)
              .samples(samples)
              .upgrade(upgrade)
              .tolerance(Tolerance::rounding)
              .doc("Channels shifted and scaled by their statistics")};
}

}  // namespace slipway::ops
