// One step of gradient descent: Adagrad, Adam, Momentum. Inputs: learning rate, update count, then the tensors of each role in
// turn (all X, all G, ...); outputs: the new X, then the new states.
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

constexpr std::string_view kTraining = "ai.onnx.preview.training";
constexpr TypeSet kTrained = types(E::f32, E::f64);

struct AdagradAttrs {
  float decay_factor = 0;
  float epsilon = 1e-6f;
  float norm_coefficient = 0;
  bool operator==(const AdagradAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("decay_factor", &AdagradAttrs::decay_factor), field("epsilon", &AdagradAttrs::epsilon),
                      field("norm_coefficient", &AdagradAttrs::norm_coefficient)};
  }
};

struct AdamAttrs {
  float alpha = 0.9f;
  float beta = 0.999f;
  float epsilon = 1e-6f;
  float norm_coefficient = 0;
  float norm_coefficient_post = 0;
  bool operator==(const AdamAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &AdamAttrs::alpha), field("beta", &AdamAttrs::beta), field("epsilon", &AdamAttrs::epsilon),
                      field("norm_coefficient", &AdamAttrs::norm_coefficient),
                      field("norm_coefficient_post", &AdamAttrs::norm_coefficient_post)};
  }
};

struct MomentumAttrs {
  float alpha = 0;
  float beta = 0;
  std::string mode;  ///< "standard" or "nesterov"
  float norm_coefficient = 0;
  bool operator==(const MomentumAttrs&) const = default;
  static constexpr auto fields() {
    return std::tuple{field("alpha", &MomentumAttrs::alpha, true), field("beta", &MomentumAttrs::beta, true),
                      field("mode", &MomentumAttrs::mode, true),
                      field("norm_coefficient", &MomentumAttrs::norm_coefficient, true)};
  }
};

/// One element: its rate and update count, its roles in input order; the new values are written back (x, then the states).
struct Step {
  double rate;
  double count;
  double x, g;
  double state[2];
};

/// `roles`: X, G and the states.
template <size_t Roles>
Status infer_step(InferContext& c) {
  const size_t given = c.input_count() < 2 ? 0 : c.input_count() - 2, tensors = given / Roles;
  if (given == 0 || given % Roles != 0 || c.output_count() > tensors * (Roles - 1)) {
    return fail(ErrorCode::invalid_model, "the tensors must come in groups of {}, after the rate and the count", Roles);
  }
  for (size_t out = 0; out < c.output_count(); ++out) {
    const size_t role = out / tensors, from = 2 + out % tensors + (role == 0 ? 0 : (role + 1) * tensors);
    const Shape* shape = c.shape(from);
    c.set(out, c.type(from), shape == nullptr ? std::nullopt : std::optional<Shape>(*shape));
  }
  return {};
}

template <size_t Roles, class F>
Status run_steps(RefContext& c, F&& update) {
  const size_t tensors = (c.input_count() - 2) / Roles;
  if (c.in(0).count() != 1 || c.in(1).count() != 1) {
    return Error(ErrorCode::invalid_argument, "the rate and the count must be scalars");
  }
  const double rate = c.doubles(0)[0], count = c.doubles(1)[0];
  for (size_t t = 0; t < tensors; ++t) {
    std::vector<double> role[Roles];
    for (size_t r = 0; r < Roles; ++r) {
      const size_t i = 2 + r * tensors + t;
      if (!(c.in(i).dims() == c.in(2 + t).dims())) {
        return Error(ErrorCode::invalid_argument, "a tensor, its gradient and its states must have one shape");
      }
      role[r] = c.doubles(i);
    }
    for (size_t i = 0; i < role[0].size(); ++i) {
      Step s{rate, count, role[0][i], role[1][i], {role[2][i], Roles > 3 ? role[Roles - 1][i] : 0}};
      update(s);
      role[0][i] = s.x;
      role[2][i] = s.state[0];
      if (Roles > 3) role[Roles - 1][i] = s.state[1];
    }
    for (size_t r = 0, out = t; r < Roles; ++r) {
      if (r == 1) continue;
      if (out < c.output_count()) c.set_doubles(out, c.in(2 + r * tensors + t).type(), c.in(2 + t).dims(), role[r]);
      out += tensors;
    }
  }
  return {};
}

Status run_adagrad(RefContext& c) {
  const AdagradAttrs& a = c.attrs<AdagradAttrs>();
  return run_steps<3>(c, [&](Step& s) {
    const double g = double{a.norm_coefficient} * s.x + s.g;
    s.state[0] += g * g;
    s.x -= s.rate / (1 + s.count * double{a.decay_factor}) * g / (std::sqrt(s.state[0]) + double{a.epsilon});
  });
}

Status run_adam(RefContext& c) {
  const AdamAttrs& a = c.attrs<AdamAttrs>();
  const double alpha = a.alpha, beta = a.beta;
  return run_steps<4>(c, [&](Step& s) {
    const double g = double{a.norm_coefficient} * s.x + s.g;
    double &mean = s.state[0], &square = s.state[1];
    mean = alpha * mean + (1 - alpha) * g;
    square = beta * square + (1 - beta) * g * g;
    const double rate = s.count > 0 ? s.rate * std::sqrt(1 - std::pow(beta, s.count)) / (1 - std::pow(alpha, s.count)) : s.rate;
    s.x = (1 - double{a.norm_coefficient_post}) * (s.x - rate * mean / (std::sqrt(square) + double{a.epsilon}));
  });
}

Status infer_momentum(InferContext& c) {
  const std::string& mode = c.attrs<MomentumAttrs>().mode;
  if (mode != "standard" && mode != "nesterov") {
    return fail(ErrorCode::invalid_model, "attribute mode must be 'standard' or 'nesterov', here it is '{}'", mode);
  }
  return infer_step<3>(c);
}

Status run_momentum(RefContext& c) {
  const MomentumAttrs& a = c.attrs<MomentumAttrs>();
  const bool nesterov = a.mode == "nesterov";
  return run_steps<3>(c, [&](Step& s) {
    const double g = double{a.norm_coefficient} * s.x + s.g;
    double& v = s.state[0];
    v = double{a.alpha} * v + (s.count > 0 ? double{a.beta} : 1) * g;
    s.x -= s.rate * (nesterov ? g + double{a.alpha} * v : v);
  });
}

/// Roles of `roles` tensors each of the shapes {2} and {3, 5}.
std::vector<SampleInput> inputs_of(size_t roles, int64_t count, ElementType type = E::f32) {
  std::vector<SampleInput> inputs{{sample::numbers(type, {}, {0.1})}, {Tensor::scalar(count)}};
  for (uint64_t r = 0; r < roles; ++r) {
    inputs.push_back({sample::random(type, {2}, r > 1 ? 0 : -1, 1, 2 * r + 1)});
    inputs.push_back({sample::random(type, {3, 5}, r > 1 ? 0 : -1, 1, 2 * r + 2)});
  }
  return inputs;
}

std::vector<Sample> adagrad_samples() {
  const AdagradAttrs attrs{.decay_factor = 0.1f, .norm_coefficient = 0.001f};
  return {{"first", attrs, inputs_of(3, 0), 4}, {"later", attrs, inputs_of(3, 3), 4}, {"f64", attrs, inputs_of(3, 3, E::f64), 4}};
}
std::vector<Sample> adam_samples() {
  const AdamAttrs attrs{.alpha = 0.95f, .beta = 0.1f, .norm_coefficient = 0.001f, .norm_coefficient_post = 0.01f};
  return {{"first", attrs, inputs_of(4, 0), 6}, {"later", attrs, inputs_of(4, 3), 6}, {"f64", attrs, inputs_of(4, 3, E::f64), 6}};
}
std::vector<Sample> momentum_samples() {
  const MomentumAttrs standard{.alpha = 0.95f, .beta = 0.1f, .mode = "standard", .norm_coefficient = 0.001f};
  MomentumAttrs nesterov = standard;
  nesterov.mode = "nesterov";
  return {{"first", standard, inputs_of(3, 0), 4},
          {"later", standard, inputs_of(3, 3), 4},
          {"nesterov", nesterov, inputs_of(3, 3), 4}};
}

template <class Attrs>
Op training_op(std::string_view op, std::string_view doc) {
  return Op(op, {1}, kTraining)
      .attrs<Attrs>()
      .in("R", kTrained, 0)
      .in("T", types(E::i64), 0)
      .in_list("inputs", kTrained, 0)
      .out_list("outputs", kTrained, 0)
      .tolerance(Tolerance::rounding)
      .doc(doc);
}

}  // namespace

OpFamily training() {
  return {training_op<AdagradAttrs>("Adagrad", "Descent with a rate per element that falls with its past gradients.")
              .infer(infer_step<3>)
              .reference(run_adagrad)
              .samples(adagrad_samples),
          training_op<AdamAttrs>("Adam", "Descent along averaged gradients, scaled by averaged squares.")
              .infer(infer_step<4>)
              .reference(run_adam)
              .samples(adam_samples),
          training_op<MomentumAttrs>("Momentum", "Descent with momentum, standard or Nesterov's.")
              .infer(infer_momentum)
              .reference(run_momentum)
              .samples(momentum_samples)};
}

}  // namespace slipway::ops
