// An ONNX file as plain structs of views into its bytes. Tensors and attribute values stay undecoded until they are wanted.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "import/onnx/wire.hpp"

namespace slipway::import::onnx {

struct GraphProto;

using StringEntry = std::pair<Text, Text>;

struct TensorProto {
  Text bytes;  ///< the message
  Text name;
};

struct SparseTensorProto {
  Text bytes;            ///< the message
  Text values, indices;  ///< TensorProto messages; empty: absent
  Text name;             ///< of `values`
  std::vector<int64_t> dims;
};

enum class AttributeKind : int32_t {
  undefined = 0,
  f32 = 1,
  integer = 2,
  string = 3,
  tensor = 4,
  graph = 5,
  floats = 6,
  integers = 7,
  strings = 8,
  tensors = 9,
  graphs = 10,
  sparse_tensor = 11,
  sparse_tensors = 12,
  type = 13,
  types = 14
};

struct AttributeProto {
  Text bytes;  ///< the message
  Text name;
  Text reference;  ///< the attribute of the enclosing function that it stands for
  AttributeKind kind = AttributeKind::undefined;
  std::vector<GraphProto> graphs;
};

struct NodeProto {
  Text name, op_type, domain, overload;
  std::vector<Text> inputs, outputs;
  std::vector<AttributeProto> attributes;
};

struct ValueProto {
  Text name;
  Text type;  ///< a TypeProto message; empty: not declared
};

struct GraphProto {
  Text name;
  std::vector<NodeProto> nodes;
  std::vector<TensorProto> initializers;
  std::vector<SparseTensorProto> sparse_initializers;
  std::vector<ValueProto> inputs, outputs, values;
  /// Names that the graph uses without making them, in order of first use: what a sub-graph takes from outside.
  std::vector<Text> free_names;
};

struct OpsetProto {
  Text domain;  ///< "" for ai.onnx
  int64_t version = 0;
};

struct FunctionProto {
  Text name, domain, overload;
  std::vector<Text> inputs, outputs;
  std::vector<Text> attributes;  ///< without default
  std::vector<AttributeProto> attribute_defaults;
  std::vector<NodeProto> nodes;
  std::vector<ValueProto> values;
  std::vector<OpsetProto> opsets;
};

struct ModelProto {
  int64_t ir_version = 0;
  Text producer_name, producer_version;
  std::vector<OpsetProto> opsets;
  std::vector<StringEntry> metadata;
  std::vector<FunctionProto> functions;
  std::vector<Text> symbols;  ///< names of the symbolic extents of all graphs' inputs and outputs, each once
  GraphProto graph;
  bool has_graph = false;
};

/// Decodes the structure and checks its limits. The views live as long as `bytes`.
Result<ModelProto> decode_model(Text bytes);

/// One sparse tensor's parts (its name is left empty). Throws protozero::exception.
SparseTensorProto decode_sparse_tensor(Text bytes);

/// "ai.onnx" is "".
inline Text canonical_domain(Text domain) {
  return domain == "ai.onnx" ? Text{} : domain;
}

}  // namespace slipway::import::onnx
