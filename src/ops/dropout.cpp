// Dropout: the identity, unless training is asked for.
#include <random>

#include "ops/onnx_node.hpp"
#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr TypeSet kDropped = kFloat | types(E::f8e4m3fn, E::f8e4m3fnuz, E::f8e5m2, E::f8e5m2fnuz);

struct DropoutAttrs {
  std::optional<int64_t> seed;
  bool operator==(const DropoutAttrs&) const = default;
  static constexpr auto fields() { return std::tuple{field("seed", &DropoutAttrs::seed)}; }
};

Status infer(InferContext& c) {
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (c.shape(i) != nullptr && !c.shape(i)->empty())
      return Error(ErrorCode::invalid_model, "ratio and training_mode must be scalars");
  }
  c.set(0, c.type(0), c.input(0).shape);
  c.set(1, E::boolean, c.input(0).shape);
  return {};
}

/// In [0, 1) with 53 random bits, drawn as NumPy's RandomState does (so a seed means the same).
double uniform(std::mt19937& random) {
  const auto high = static_cast<double>(random() >> 5), low = static_cast<double>(random() >> 6);
  return (high * 0x1p26 + low) * 0x1p-53;
}

Status run(RefContext& c) {
  const Tensor& x = c.in(0);
  const bool training = c.has(2) && c.in(2).count() == 1 && load<uint64_t>(c.in(2), 0) != 0;
  const double ratio = c.has(1) && c.in(1).count() == 1 ? load<double>(c.in(1), 0) : 0.5;
  if (!(ratio >= 0 && ratio < 1)) return fail(ErrorCode::data_fault, "ratio is {}; 0 to below 1 is expected", ratio);
  std::vector<double> v = c.doubles(0);
  std::vector<double> mask(v.size(), 1.0);
  if (training && ratio > 0) {
    const std::optional<int64_t>& seed = c.attrs<DropoutAttrs>().seed;
    std::mt19937 random(seed ? static_cast<uint32_t>(*seed) : std::random_device{}());
    for (size_t i = 0; i < v.size(); ++i) {
      mask[i] = uniform(random) < ratio ? 0.0 : 1.0;
      v[i] *= mask[i] / (1 - ratio);
    }
  }
  c.set_doubles(0, x.type(), x.dims(), v);
  c.set_doubles(1, E::boolean, x.dims(), mask);
  return {};
}

/// Before opset 12 the ratio was an attribute; before opset 7 training was the default.
Status upgrade(OnnxNode& node) {
  node.drop("consumed_inputs");
  if (node.version < 12) node.float_to_input("ratio", 1);
  if (node.version < 7 && node.take_int("is_test", 0) == 0) {
    Tensor training(E::boolean, {});
    training.as<uint8_t>()[0] = 1;
    node.set_input(2, node.constant(std::move(training)));
  }
  return {};
}

std::vector<Sample> samples() {
  const SampleInput x = {sample::noise({3, 17})};
  const SampleInput ratio = sample::constant(Tensor::scalar(0.25f)),
                    train = sample::constant(sample::numbers(E::boolean, {}, {1}));
  return {{"inference", DropoutAttrs{}, {x}},
          {"inference_mask", DropoutAttrs{}, {x, ratio}, 2},
          {"training", DropoutAttrs{7}, {x, ratio, train}, 2},
          {"training_nothing_dropped", DropoutAttrs{7}, {x, sample::constant(Tensor::scalar(0.0f)), train}, 2}};
}

}  // namespace

OpFamily dropout() {
  return {Op("Dropout", {1, 6, 7, 10, 12, 13, 22})
              .attrs<DropoutAttrs>()
              .in("data", kDropped)
              .opt("ratio", kDropped, 'R')
              .opt("training_mode", kBool, 'B')
              .out("output")
              .opt_out("mask", kBool, 'B')
              .flag(ir::OpInfo::kRandom)
              .infer(infer)
              .reference(run)
              .samples(samples)
              .upgrade(upgrade)
              .tolerance(Tolerance::random)
              .doc("The identity in inference; drops elements at random in training mode")};
}

}  // namespace slipway::ops
