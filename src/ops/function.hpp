// Function operators: those that a graph of other operators says completely. One builder gives inference, reference and
// expansion.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "ops/op.hpp"

namespace slipway::ops {

class FunctionBody;
/// Says what an operator stands for by a graph of others.
using BodyBuilder = void (*)(FunctionBody&);

/// The graph being built for one node: its inputs are given, its outputs must be set. The first failure sticks: after it nothing
/// is built, values are kNone, and the whole body fails.
class FunctionBody {
 public:
  /// `inputs` are values of `graph`; kNone: absent.
  FunctionBody(ir::Graph& graph, const Attrs& attrs, std::vector<ir::ValueId> inputs, size_t outputs)
      : graph_(graph), attrs_(attrs), inputs_(std::move(inputs)), outputs_(outputs, ir::kNone) {}

  template <class S>
  const S& attrs() const {
    return attrs_.as<S>();
  }
  size_t input_count() const { return inputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i] != ir::kNone; }
  /// kNone when absent.
  ir::ValueId in(size_t i) const { return i < inputs_.size() ? inputs_[i] : ir::kNone; }

  /// undefined when not known (yet).
  ElementType type(ir::ValueId v) const { return v == ir::kNone ? ElementType::undefined : graph_.value(v).fact.type; }
  /// nullptr when the rank is not known.
  const Shape* shape(ir::ValueId v) const {
    return v != ir::kNone && graph_.value(v).fact.shape ? &*graph_.value(v).fact.shape : nullptr;
  }
  /// Fails with `unsupported` while the rank is not known: the node's outputs stay unknown until it is.
  size_t rank(ir::ValueId v);

  ir::ValueId constant(Tensor tensor);
  /// A scalar of a float or integer type.
  ir::ValueId number(ElementType type, double value);
  /// A 1-D i64 constant.
  ir::ValueId ints(std::span<const int64_t> values) { return constant(Tensor::vector(values)); }
  ir::ValueId ints(std::initializer_list<int64_t> values) { return ints(std::span(values.begin(), values.size())); }

  /// A node (of ai.onnx, when nothing else is said): its only output, or all of them.
  ir::ValueId node(std::string_view op, Attrs attrs, std::vector<ir::ValueId> inputs);
  ir::ValueId node(std::string_view op, std::vector<ir::ValueId> inputs);  ///< attributes by default
  std::vector<ir::ValueId> nodes(std::string_view op, Attrs attrs, std::vector<ir::ValueId> inputs, size_t outputs,
                                 std::string_view domain = "");
  ir::ValueId cast(ir::ValueId v, ElementType to);

  void fail(Error error) {
    if (!error_) error_ = std::move(error);
  }
  const std::optional<Error>& error() const { return error_; }

  size_t output_count() const { return outputs_.size(); }
  void set(size_t i, ir::ValueId v) {
    if (i < outputs_.size()) outputs_[i] = v;
  }
  const std::vector<ir::ValueId>& outputs() const { return outputs_; }

 private:
  ir::Graph& graph_;
  const Attrs& attrs_;
  std::vector<ir::ValueId> inputs_, outputs_;
  std::optional<Error> error_;

  Result<std::vector<ir::ValueId>> add(const Op& op, Attrs attrs, std::vector<ir::ValueId> inputs, size_t outputs);
};

/// The body as a graph of its own: its inputs are those that are there, in order; known values stand in their facts' place too.
Result<ir::Graph> body_graph(BodyBuilder build, const Attrs& attrs, std::span<const Fact* const> inputs,
                             std::span<const Tensor* const> values, size_t outputs);

/// The builder of an operator made by function(), else nullptr.
BodyBuilder body_of(const ir::OpInfo& op);

namespace detail {
Status infer_body(InferContext& c, const Attrs& attrs, BodyBuilder build);
Status run_body(RefContext& c, BodyBuilder build);
void remember_body(Status (*infer)(InferContext&), BodyBuilder build);
}  // namespace detail

/// Completes an operator of attributes S: inference and reference come from its body. Called while the registry is being built.
template <BodyBuilder Build, class S = NoAttrs>
Op function(Op&& op) {
  Status (*const infer)(InferContext&) = [](InferContext& c) { return detail::infer_body(c, Attrs(c.attrs<S>()), Build); };
  detail::remember_body(infer, Build);
  return std::move(op).template attrs<S>().tolerance(Tolerance::rounding).infer(infer).reference([](RefContext& c) {
    return detail::run_body(c, Build);
  });
}

}  // namespace slipway::ops
