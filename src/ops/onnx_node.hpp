// OnnxNode: a node as an ONNX file says it, on its way to the newest form of its operator. Upgrades live in the op's own file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "ops/op.hpp"

namespace slipway::ops {

class OnnxNode {
 public:
  std::string domain, op_type, name;  ///< an upgrade may make the node one of another operator (in its newest form)
  int version = 0;                    ///< the operator's since-version that the model's opset selects
  int opset = 0;                      ///< the model's opset of the node's domain
  std::map<std::string, ir::AttrValue> attrs;
  std::vector<ir::ValueId> inputs;  ///< kNone: absent
  size_t output_count = 1;
  ir::Graph* graph = nullptr;  ///< the graph being built: facts of the inputs, place for constants and helper nodes

  bool has(std::string_view attr) const { return attrs.count(std::string(attr)) != 0; }
  /// Removes and returns the attribute (monostate when absent).
  ir::AttrValue take(std::string_view attr);
  std::vector<int64_t> take_ints(std::string_view attr);
  int64_t take_int(std::string_view attr, int64_t otherwise);
  float take_float(std::string_view attr, float otherwise);
  std::string take_string(std::string_view attr, std::string otherwise);
  void drop(std::string_view attr) { take(attr); }

  /// Puts a value at input position i (filling with absent inputs up to it).
  void set_input(size_t i, ir::ValueId value);
  ir::ValueId constant(Tensor tensor);
  /// An ints attribute becomes a 1-D i64 constant at input i; nothing when absent.
  void ints_to_input(std::string_view attr, size_t i);
  /// A float attribute becomes a scalar of input 0's type at input i; nothing when absent.
  void float_to_input(std::string_view attr, size_t i);
  /// A helper node before this one; its first output.
  Result<ir::ValueId> emit(std::string_view op, ir::Attrs op_attrs, std::vector<ir::ValueId> op_inputs, size_t outputs = 1);
  /// Of input i; nothing known when it is absent.
  const ir::Fact& fact(size_t i) const;
};

}  // namespace slipway::ops
