// Builds one ir::Graph from a GraphProto: constants, inputs, nodes in the file's order, functions inlined, sub-graphs by builders
// of their own. Problems of nodes are recorded and passed by; what depends on a broken node is not judged.
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "import/onnx/model.hpp"
#include "ir/graph.hpp"
#include "ops/onnx_node.hpp"

namespace slipway::import::onnx {

class GraphBuilder {
 public:
  /// `depth` counts the graphs around this one.
  GraphBuilder(Model& model, int depth) : model_(model), depth_(depth) {}

  /// What a sub-graph takes from the graph around it.
  struct Captured {
    Text name;
    std::string value_name;
    ir::Fact fact;
    Tensor constant;        ///< set: copied in; else it becomes a trailing input (unless absent)
    bool absent = false;    ///< an optional function input that the call left out
    bool poisoned = false;  ///< depends on a broken node
    bool is_input() const { return !constant && !absent; }
  };
  /// Facts for inputs whose types the sub-graph leaves open.
  struct Surroundings {
    std::span<const Captured> captured;
    std::vector<ir::Fact> hints;
  };

  /// An error only when a limit ends the import; everything else goes to the model's problems.
  Result<ir::Graph> build(const GraphProto& proto, const Frame& frame, const Surroundings& around) &&;

 private:
  /// The names of one body: the graph's own, or those of a function call.
  struct Scope {
    const Frame& frame;
    const std::vector<NodeProto>& nodes;
    std::string prefix;  ///< before the names of values and nodes in the Graph
    std::unordered_map<Text, ir::ValueId> names;
    std::unordered_map<Text, Text> declared;  ///< value name to TypeProto
  };
  /// A node on its way from the file into the graph.
  struct Draft {
    const NodeProto& proto;
    Scope& scope;
    std::string label;  ///< "name (OpType)"
    ops::OnnxNode node;
    std::vector<ir::ValueId> captures;
    bool has_subgraphs = false;
    bool sound = true;  ///< false: broken or dependent on something broken
  };

  // graph_builder.cpp
  void add_constants(const GraphProto& proto, Scope& scope);
  void add_inputs(const GraphProto& proto, Scope& scope, const Surroundings& around);
  void add_captured(const GraphProto& proto, Scope& scope, const Surroundings& around);
  void add_outputs(const GraphProto& proto, Scope& scope);
  bool define(Scope& scope, Text name, ir::ValueId value, std::string_view where);
  ir::ValueId add_poisoned(std::string name);
  bool is_poisoned(ir::ValueId id) const { return id < poisoned_.size() && poisoned_[id]; }
  Error missing_value(const Scope& scope, Text name) const;
  /// Holds what the file declares of a result against what the operators give. Error: another kind or element type. Other ranks
  /// and extents outlive edits of a model, such as another batch: they are noted, and what the operators give counts. Names of
  /// extents contradict nothing.
  Status agree(const Scope& scope, Text name, ir::Fact declared, const ir::Fact& found, std::string_view where);
  /// The extents that a body was traced with need not be those of its next run, or of its next call.
  bool runs_once(const Scope& scope) const { return depth_ == 0 && scope.frame.function == nullptr; }
  std::string unique_node_name(std::string name);

  // node.cpp
  Status add_node(const NodeProto& proto, Scope& scope);
  void broken(Draft& draft, const Error& error);
  void find_inputs(Draft& draft);
  Status load_attributes(Draft& draft);
  void place(Draft& draft);
  void place_constant(Draft& draft);
  const ops::Op* find_op(Draft& draft);
  bool upgrade(Draft& draft, const ops::Op*& op);
  bool set_attributes(Draft& draft, const ops::Op& op, ir::Attrs& attrs);
  bool check_ports(Draft& draft, const ops::Op& op);
  bool add_to_graph(Draft& draft, const ops::Op& op, ir::Attrs attrs);
  bool settle(Draft& draft, ir::ValueId value, Text name, ir::Fact inferred);
  void poison_outputs(Draft& draft);

  // subgraph.cpp
  Result<ir::GraphRef> subgraph(Draft& draft, const GraphProto& proto, std::span<const Captured> captured);
  std::vector<Captured> find_captured(Draft& draft);
  std::vector<ir::Fact> input_hints(const Draft& draft) const;

  // function.cpp
  Status call(Draft& draft, const FunctionProto& function);
  bool bind_attributes(Draft& draft, const FunctionProto& function, Frame& frame);

  Model& model_;
  int depth_;
  ir::Graph graph_;
  std::vector<bool> poisoned_;
  std::unordered_map<std::string, size_t> node_names_;
};

}  // namespace slipway::import::onnx
