// GroupNormalization, InstanceNormalization: groups of channels of one image brought to zero mean and unit variance.
#include "ops/group_normalization.hpp"

#include <cmath>

#include "ops/concat.hpp"
#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/reshape.hpp"
#include "ops/sample.hpp"
#include "ops/shape.hpp"

namespace slipway::ops {
namespace {

Status infer_channels(InferContext& c, int64_t groups) {
  if (groups < 1) return fail(ErrorCode::invalid_model, "num_groups is {}; at least 1 is expected", groups);
  const Shape* x = c.shape(0);
  if (x != nullptr && x->size() < 2) {
    return fail(ErrorCode::invalid_model, "the input needs axes for batch and channels, here {}", x->size());
  }
  Dim channels = x == nullptr ? Dim::unknown() : (*x)[1];
  for (const size_t i : {size_t{1}, size_t{2}}) {
    const Shape* v = c.shape(i);
    if (v == nullptr) continue;
    if (v->size() != 1 || (channels.known() && (*v)[0].known() && !channels.same((*v)[0]))) {
      return Error(ErrorCode::invalid_model, "scale and bias must be vectors with one element per channel of the input");
    }
  }
  if (channels.known() && channels.value() % groups != 0) {
    return fail(ErrorCode::invalid_model, "{} channels do not divide into {} groups", channels.value(), groups);
  }
  c.set(0, c.type(0), c.input(0).shape);
  return {};
}

/// groups 0: one per channel.
Status normalise(RefContext& c, int64_t groups, double epsilon) {
  const Dims d = c.in(0).dims();
  if (d.rank() < 2)
    return fail(ErrorCode::invalid_model, "the input needs axes for batch and channels, here its shape is {}", to_string(d));
  const int64_t channels = d[1];
  if (groups == 0) groups = channels;
  if (groups < 0 || (channels != 0 && channels % groups != 0) || c.in(1).count() != channels || c.in(2).count() != channels) {
    return fail(ErrorCode::invalid_model,
                "{} channels need a divisor of it as num_groups ({}) and as many scales ({}) and biases ({})", channels, groups,
                c.in(1).count(), c.in(2).count());
  }
  std::vector<double> v = c.doubles(0);
  if (v.empty()) {
    c.set_doubles(0, c.in(0).type(), d, v);
    return {};
  }
  const std::vector<double> scale = c.doubles(1), bias = c.doubles(2);
  const auto plane = static_cast<size_t>(d.count(2, d.rank())), row = static_cast<size_t>(channels / groups) * plane;
  for (size_t begin = 0; begin < v.size(); begin += row) {
    double* x = v.data() + begin;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < row; ++i) sum += x[i];
    const double mean = sum / static_cast<double>(row);
    for (size_t i = 0; i < row; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(row) + epsilon);
    for (size_t i = 0; i < row; ++i) {
      const size_t channel = (begin + i) / plane % static_cast<size_t>(channels);
      x[i] = (x[i] - mean) * inverse * scale[channel] + bias[channel];
    }
  }
  c.set_doubles(0, c.in(0).type(), d, v);
  return {};
}

Status infer_group(InferContext& c) {
  return infer_channels(c, c.attrs<GroupNormalizationAttrs>().num_groups);
}
Status infer_instance(InferContext& c) {
  return infer_channels(c, 1);
}
Status run_group(RefContext& c) {
  const auto& a = c.attrs<GroupNormalizationAttrs>();
  if (a.num_groups < 1) return fail(ErrorCode::invalid_model, "num_groups is {}; at least 1 is expected", a.num_groups);
  return normalise(c, a.num_groups, static_cast<double>(a.epsilon));
}
Status run_instance(RefContext& c) {
  return normalise(c, 0, static_cast<double>(c.attrs<InstanceNormalizationAttrs>().epsilon));
}

/// Opset 18 had one scale and bias per group; they are repeated for the group's channels.
Status upgrade_group(OnnxNode& node) {
  if (node.version >= 21 || node.inputs.size() < 3) return {};
  const auto groups = node.attrs.find("num_groups");
  const int64_t* count = groups == node.attrs.end() ? nullptr : std::get_if<int64_t>(&groups->second);
  if (count == nullptr || *count < 1) return Error(ErrorCode::invalid_model, "GroupNormalization needs num_groups of at least 1");
  const auto ints = [&](std::initializer_list<int64_t> v) {
    return node.constant(Tensor::vector(std::span(v.begin(), v.size())));
  };
  const ir::ValueId channels = TRY(node.emit("Shape", ShapeAttrs{1, 2}, {node.inputs[0]}));
  const ir::ValueId each = TRY(node.emit("Div", NoAttrs{}, {channels, ints({*count})}));
  const ir::ValueId extents = TRY(node.emit("Concat", ConcatAttrs{0}, {ints({1}), each}));
  for (const size_t i : {size_t{1}, size_t{2}}) {
    const ir::ValueId column = TRY(node.emit("Reshape", ReshapeAttrs{}, {node.inputs[i], ints({*count, 1})}));
    const ir::ValueId repeated = TRY(node.emit("Expand", NoAttrs{}, {column, extents}));
    node.inputs[i] = TRY(node.emit("Reshape", ReshapeAttrs{}, {repeated, ints({-1})}));
  }
  return {};
}

Status upgrade_instance(OnnxNode& node) {
  node.drop("consumed_inputs");
  return {};
}

Sample make(std::string label, Attrs a, const Dims& x, ElementType type = E::f32) {
  return {std::move(label),
          std::move(a),
          {{sample::noise(type, x)},
           sample::constant(sample::noise(type, {x[1]}, 2)),
           sample::constant(sample::noise(type, {x[1]}, 3))}};
}

std::vector<Sample> group_samples() {
  using A = GroupNormalizationAttrs;
  return {make("groups4_of_32", A{.num_groups = 4}, {2, 32, 5, 6}), make("one_group", A{.num_groups = 1}, {1, 17, 4, 4}),
          make("group_per_channel", A{.num_groups = 3}, {2, 3, 7}),
          make("epsilon", A{.epsilon = 0.1f, .num_groups = 8}, {1, 24, 3, 5}),
          make("f16", A{.num_groups = 2}, {1, 4, 4, 4}, E::f16)};
}
std::vector<Sample> instance_samples() {
  using A = InstanceNormalizationAttrs;
  return {make("image", A{}, {2, 17, 5, 6}), make("line", A{0.01f}, {1, 3, 19}), make("volume", A{}, {1, 16, 2, 3, 4}),
          make("f64", A{}, {1, 3, 4, 4}, E::f64), make("f16", A{}, {1, 3, 4, 4}, E::f16)};
}

}  // namespace

OpFamily group_normalization() {
  return {
      Op("GroupNormalization", {18, 21})
          .attrs<GroupNormalizationAttrs>()
          .in("X", kFloat)
          .in("scale", kFloat)
          .in("bias", kFloat)
          .out("Y")
          .infer(infer_group)
          .reference(run_group)
          .samples(group_samples)
          .upgrade(upgrade_group)
          .tolerance(Tolerance::rounding)
          .doc("Groups of channels brought to zero mean and unit variance, then scaled and shifted"),
      Op("InstanceNormalization", {1, 6, 22})
          .attrs<InstanceNormalizationAttrs>()
          .in("input", kFloat)
          .in("scale", kFloat)
          .in("B", kFloat)
          .out("output")
          .infer(infer_instance)
          .reference(run_instance)
          .samples(instance_samples)
          .upgrade(upgrade_instance)
          .tolerance(Tolerance::rounding)
          .doc("Every channel of every image brought to zero mean and unit variance, then scaled and shifted"),
  };
}

}  // namespace slipway::ops
