// OpInfo: what the graph level must know of an operator. The ops layer derives its full description from it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "ir/attrs.hpp"
#include "ir/fact.hpp"

namespace slipway::ir {

class InferContext;

struct OpInfo {
  enum Flag : uint32_t {
    kElementwise = 1,    ///< output[i] depends on input[i] alone (inputs broadcast); fusable into a loop or an epilogue
    kDataDependent = 2,  ///< output shapes depend on values, or values are not plain tensors: runs in the host lane
    kRandom = 4,         ///< two runs may differ: never folded, never merged
    kHasSubgraph = 8,
    kView = 16,  ///< the output is the input's bytes under another shape (Reshape, Squeeze, Identity...)
    kCommutative = 32,
    kGroup = 64,  ///< a fused group: attribute "body" is a Graph of plain nodes
  };

  std::string_view domain;  ///< "" for ai.onnx
  std::string_view name;
  int min_inputs = 1, max_inputs = 1;    ///< max -1: variadic
  int min_outputs = 1, max_outputs = 1;  ///< max -1: variadic
  uint32_t flags = 0;
  /// Bit i: shape inference reads the *value* of input i (bit 31: every input from 31 on).
  uint32_t value_inputs = 0;
  const AttrType* attrs = nullptr;
  /// Sets every output's fact; an error means that the model is wrong, unknown extents are fine.
  Status (*infer)(InferContext&) = nullptr;
  /// Bit i: input i may be absent although one after it is not; inputs from min_inputs on may be absent anyway.
  uint32_t optional_inputs = 0;

  bool has(Flag f) const { return (flags & f) != 0; }
};

/// Finds an operator by domain and name; nullptr when there is none.
using OpLookup = const OpInfo* (*)(std::string_view domain, std::string_view name);

/// What an infer function sees. Input i may be absent (optional inputs).
class InferContext {
 public:
  InferContext(const Attrs& attrs, std::span<const Fact* const> inputs, std::span<const Tensor* const> values, size_t outputs)
      : attrs_(attrs), inputs_(inputs), values_(values), outputs_(outputs) {}

  template <class S>
  const S& attrs() const {
    return attrs_.as<S>();
  }
  /// Declared inputs (captures not counted).
  size_t input_count() const { return inputs_.size(); }
  size_t output_count() const { return outputs_.size(); }
  bool has_input(size_t i) const { return i < inputs_.size() && inputs_[i] != nullptr; }
  /// Precondition: has_input(i).
  const Fact& input(size_t i) const { return *inputs_[i]; }
  ElementType type(size_t i) const { return has_input(i) ? inputs_[i]->type : ElementType::undefined; }
  /// The input's shape, nullptr when absent or of unknown rank.
  const Shape* shape(size_t i) const { return has_input(i) && inputs_[i]->shape ? &*inputs_[i]->shape : nullptr; }
  /// The input's value when it is known already (a constant, or computed by shape arithmetic), else nullptr.
  const Tensor* value(size_t i) const { return i < values_.size() && has_input(i) ? values_[i] : nullptr; }
  /// value(i) as int64s; nullopt when not known.
  std::optional<std::vector<int64_t>> ints(size_t i) const;

  /// Output i; setting one that the node does not have is ignored.
  void set(size_t i, Fact fact) {
    if (i < outputs_.size()) outputs_[i] = std::move(fact);
  }
  void set(size_t i, ElementType type, std::optional<Shape> shape = std::nullopt) {
    set(i, Fact::tensor(type, std::move(shape)));
  }
  std::vector<Fact> take() && { return std::move(outputs_); }

 private:
  const Attrs& attrs_;
  std::span<const Fact* const> inputs_;
  std::span<const Tensor* const> values_;
  std::vector<Fact> outputs_;
};

}  // namespace slipway::ir
