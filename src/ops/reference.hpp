// RefContext: what a reference kernel sees and fills. References are the specification: plain loops, double accumulators.
#pragma once

#include <functional>
#include <span>
#include <type_traits>

#include "base/format.hpp"
#include "ir/graph.hpp"
#include "ops/op.hpp"

namespace slipway::ops {

/// Runs a sub-graph: inputs are the sub-graph's own, then the captured ones.
using GraphRunner = std::function<Result<std::vector<Value>>(const ir::Graph&, std::span<const Value>)>;

class RefContext {
 public:
  /// `bound`: outputs that already have storage (a Plan's arena); empty Tensors elsewhere.
  RefContext(const ir::Node& node, std::span<const Value* const> inputs, std::span<Value> outputs, const GraphRunner& runner)
      : node_(node), inputs_(inputs), outputs_(outputs), runner_(runner) {}

  const ir::Node& node() const { return node_; }
  template <class S>
  const S& attrs() const {
    return node_.attrs.as<S>();
  }
  /// Declared inputs (captures not counted).
  size_t input_count() const { return std::min(inputs_.size(), node_.declared_inputs()); }
  size_t output_count() const { return outputs_.size(); }
  bool has(size_t i) const { return i < input_count() && inputs_[i] != nullptr; }
  /// Precondition of the three: has(i).
  const Value& value(size_t i) const { return *inputs_[i]; }
  const Tensor& in(size_t i) const { return *inputs_[i]->tensor(); }
  std::vector<int64_t> ints(size_t i) const { return to_int64s(in(i)); }
  bool wants(size_t i) const { return i < outputs_.size() && node_.outputs[i] != ir::kNone; }

  /// Storage for tensor output i, zeroed when newly made; the arena's when the plan has bound it.
  Tensor out(size_t i, ElementType type, const Dims& dims);
  /// Any value as output i (a sequence, a map, nothing, or a shared tensor). Copies the bytes when storage is bound.
  void set(size_t i, Value value);

  /// Input i as doubles (float types, also integers exactly below 2^53), in row-major order.
  std::vector<double> doubles(size_t i) const;
  /// Output i from doubles, rounded to `type` (floats: to nearest even; integers: truncated, saturated).
  void set_doubles(size_t i, ElementType type, const Dims& dims, std::span<const double> values);

  /// Runs a sub-graph attribute with `arguments` for its own inputs; captured values are appended.
  Result<std::vector<Value>> call(const ir::Graph& graph, std::vector<Value> arguments) const;
  const GraphRunner& runner() const { return runner_; }

 private:
  const ir::Node& node_;
  std::span<const Value* const> inputs_;
  std::span<Value> outputs_;
  const GraphRunner& runner_;
};

/// Copies element `from_index` of `from` to `to_index` of `to`; any element type (packed 2- and 4-bit, string), types equal.
void copy_element(Tensor& to, int64_t to_index, const Tensor& from, int64_t from_index);

/// Calls f with a value of the arithmetic domain of `type`: double (floats), int64_t (signed), uint64_t (unsigned, bool).
template <class F>
auto in_domain(ElementType type, F&& f) {
  if (is_float(type)) return f(double{});
  if (is_signed_integer(type)) return f(int64_t{});
  return f(uint64_t{});
}
/// Element access in that domain; stores wrap integers and round floats.
template <class T>
T load(const Tensor& t, int64_t index);
template <class T>
void store(Tensor& t, int64_t index, T value);

/// NumPy broadcasting. Error names both shapes.
Result<Dims> broadcast(const Dims& a, const Dims& b);
Result<Shape> broadcast(const Shape& a, const Shape& b);
/// For output shape `to`: strides (elements) that walk a tensor of shape `from`, 0 where it is repeated.
Dims broadcast_strides(const Dims& from, const Dims& to);
/// Walks all indices of `dims` in row-major order, keeping one offset per stride set: f(offsets...) by index.
template <size_t N, class F>
void walk(const Dims& dims, const std::array<Dims, N>& strides, F&& f) {
  std::array<int64_t, N> at{};
  Dims index = Dims::of_rank(dims.rank(), 0);
  const int64_t total = dims.count();
  for (int64_t n = 0; n < total; ++n) {
    f(n, at);
    for (int axis = dims.rank() - 1; axis >= 0; --axis) {
      for (size_t k = 0; k < N; ++k) at[k] += strides[k][axis];
      if (++index[axis] < dims[axis]) break;
      index[axis] = 0;
      for (size_t k = 0; k < N; ++k) at[k] -= strides[k][axis] * dims[axis];
    }
  }
}

/// Axis in [-rank, rank) made non-negative; error otherwise.
Result<int> normalize_axis(int64_t axis, int rank);

}  // namespace slipway::ops
