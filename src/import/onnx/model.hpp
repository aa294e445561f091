// What the import of one model shares between its graphs: the file, its functions, the problems found, the counts.
#pragma once

#include <string>
#include <unordered_map>

#include "import/onnx/problems.hpp"
#include "import/onnx/proto.hpp"
#include "import/onnx/tensor_data.hpp"
#include "ir/attrs.hpp"

namespace slipway::import::onnx {

/// What node names mean while one body is read: the model's graph, or one call of a function.
struct Frame {
  std::unordered_map<Text, int64_t> opsets;  ///< by domain
  const FunctionProto* function = nullptr;   ///< nullptr: the model itself
  const Frame* caller = nullptr;
  int depth = 0;
  std::unordered_map<Text, ir::AttrValue> attributes;  ///< of the call, for attribute references
};

/// Declared shapes that the operators contradict: the first of them, and how many there are.
struct OutdatedShapes {
  std::string first;
  size_t count = 0;

  void add(std::string_view contradiction, std::string_view where) {
    if (count++ == 0) first = std::string(contradiction) + " in '" + std::string(where) + "'";
  }
};

class Model {
 public:
  Model(const ModelProto& proto, TensorSource tensor_source);

  const ModelProto& proto() const { return proto_; }
  /// The frame of the main graph.
  const Frame& frame() const { return frame_; }
  /// The local function that a node calls, or nullptr.
  const FunctionProto* function_of(const NodeProto& node) const;

  /// Counts a node as it is placed in a graph, functions expanded.
  Status count(const NodeProto& node, const Frame& frame);
  /// Counts the symbols that a new graph copies.
  Status count_graph();

  TensorSource source;
  bool disposable = false;  ///< the file's bytes are memory that nobody else reads
  Problems problems;
  OutdatedShapes outdated;

 private:
  const ModelProto& proto_;
  Frame frame_;
  std::unordered_map<std::string, const FunctionProto*> functions_;
  size_t inlined_nodes_ = 0, names_ = 0, symbols_ = 0;
};

}  // namespace slipway::import::onnx
