// Decision trees of ai.onnx.ml: the attributes in their two forms, and the forest that both describe.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "ir/attrs.hpp"

namespace slipway::ops {

/// TreeEnsemble (version 5): inner nodes and leaves in lists of their own.
struct TreeEnsembleAttrs {
  int64_t aggregate_function = 1;  ///< 0 average, 1 sum, 2 least, 3 most
  int64_t post_transform = 0;      ///< 0 none, 1 softmax, 2 logistic, 3 softmax_zero, 4 probit
  int64_t n_targets = 0;
  std::vector<int64_t> tree_roots, nodes_featureids, nodes_truenodeids, nodes_falsenodeids, nodes_trueleafs, nodes_falseleafs,
      nodes_missing_value_tracks_true, leaf_targetids;
  Tensor nodes_modes;  ///< u8: <=, <, >=, >, ==, !=, in
  Tensor nodes_splits, nodes_hitrates, membership_values, leaf_weights;
  bool operator==(const TreeEnsembleAttrs& other) const;
  static constexpr auto fields() {
    using A = TreeEnsembleAttrs;
    return std::tuple{ir::field("aggregate_function", &A::aggregate_function),
                      ir::field("post_transform", &A::post_transform),
                      ir::field("n_targets", &A::n_targets),
                      ir::field("tree_roots", &A::tree_roots, true),
                      ir::field("nodes_featureids", &A::nodes_featureids, true),
                      ir::field("nodes_truenodeids", &A::nodes_truenodeids, true),
                      ir::field("nodes_falsenodeids", &A::nodes_falsenodeids, true),
                      ir::field("nodes_trueleafs", &A::nodes_trueleafs, true),
                      ir::field("nodes_falseleafs", &A::nodes_falseleafs, true),
                      ir::field("nodes_missing_value_tracks_true", &A::nodes_missing_value_tracks_true),
                      ir::field("leaf_targetids", &A::leaf_targetids, true),
                      ir::field("nodes_modes", &A::nodes_modes, true),
                      ir::field("nodes_splits", &A::nodes_splits, true),
                      ir::field("nodes_hitrates", &A::nodes_hitrates),
                      ir::field("membership_values", &A::membership_values),
                      ir::field("leaf_weights", &A::leaf_weights, true)};
  }
};

/// The nodes of the older operators, each named by the numbers of its tree and of itself; leaves among them. Every list of
/// floats may stand as a tensor instead.
struct TreeNodesAttrs {
  std::vector<int64_t> nodes_treeids, nodes_nodeids, nodes_featureids, nodes_truenodeids, nodes_falsenodeids,
      nodes_missing_value_tracks_true;
  std::vector<std::string> nodes_modes;
  std::vector<float> nodes_values, nodes_hitrates, base_values;
  Tensor nodes_values_as_tensor, nodes_hitrates_as_tensor, base_values_as_tensor;
  std::string post_transform = "NONE";
  /// What a leaf says: tree, node, target (or class) and weight.
  std::vector<int64_t> said_treeids, said_nodeids, said_ids;
  std::vector<float> said_weights;
  Tensor said_weights_as_tensor;
  bool operator==(const TreeNodesAttrs& other) const;

  template <class A>
  static constexpr auto node_fields() {
    using Ints = std::vector<int64_t>;
    using Floats = std::vector<float>;
    return std::tuple{ir::field<A, Ints>("nodes_treeids", &A::nodes_treeids),
                      ir::field<A, Ints>("nodes_nodeids", &A::nodes_nodeids),
                      ir::field<A, Ints>("nodes_featureids", &A::nodes_featureids),
                      ir::field<A, Ints>("nodes_truenodeids", &A::nodes_truenodeids),
                      ir::field<A, Ints>("nodes_falsenodeids", &A::nodes_falsenodeids),
                      ir::field<A, Ints>("nodes_missing_value_tracks_true", &A::nodes_missing_value_tracks_true),
                      ir::field<A, std::vector<std::string>>("nodes_modes", &A::nodes_modes),
                      ir::field<A, Floats>("nodes_values", &A::nodes_values),
                      ir::field<A, Floats>("nodes_hitrates", &A::nodes_hitrates),
                      ir::field<A, Floats>("base_values", &A::base_values),
                      ir::field<A, Tensor>("nodes_values_as_tensor", &A::nodes_values_as_tensor),
                      ir::field<A, Tensor>("nodes_hitrates_as_tensor", &A::nodes_hitrates_as_tensor),
                      ir::field<A, Tensor>("base_values_as_tensor", &A::base_values_as_tensor),
                      ir::field<A, std::string>("post_transform", &A::post_transform)};
  }
};

struct TreeRegressorAttrs : TreeNodesAttrs {
  std::string aggregate_function = "SUM";  ///< AVERAGE | SUM | MIN | MAX
  int64_t n_targets = 1;
  bool operator==(const TreeRegressorAttrs& other) const;
  static constexpr auto fields() {
    using A = TreeRegressorAttrs;
    return std::tuple_cat(
        node_fields<A>(),
        std::tuple{ir::field<A, std::vector<int64_t>>("target_treeids", &A::said_treeids),
                   ir::field<A, std::vector<int64_t>>("target_nodeids", &A::said_nodeids),
                   ir::field<A, std::vector<int64_t>>("target_ids", &A::said_ids),
                   ir::field<A, std::vector<float>>("target_weights", &A::said_weights),
                   ir::field<A, Tensor>("target_weights_as_tensor", &A::said_weights_as_tensor),
                   ir::field("aggregate_function", &A::aggregate_function), ir::field("n_targets", &A::n_targets)});
  }
};

struct TreeClassifierAttrs : TreeNodesAttrs {
  std::vector<int64_t> classlabels_int64s;
  std::vector<std::string> classlabels_strings;
  bool operator==(const TreeClassifierAttrs& other) const;
  static constexpr auto fields() {
    using A = TreeClassifierAttrs;
    return std::tuple_cat(node_fields<A>(),
                          std::tuple{ir::field<A, std::vector<int64_t>>("class_treeids", &A::said_treeids),
                                     ir::field<A, std::vector<int64_t>>("class_nodeids", &A::said_nodeids),
                                     ir::field<A, std::vector<int64_t>>("class_ids", &A::said_ids),
                                     ir::field<A, std::vector<float>>("class_weights", &A::said_weights),
                                     ir::field<A, Tensor>("class_weights_as_tensor", &A::said_weights_as_tensor),
                                     ir::field("classlabels_int64s", &A::classlabels_int64s),
                                     ir::field("classlabels_strings", &A::classlabels_strings)});
  }
};

/// Trees ready to be walked. Every number in it is in range, and no walk is endless.
struct Forest {
  enum class Mode : uint8_t { leq, lt, gte, gt, eq, neq, member };
  enum class Aggregate : uint8_t { average, sum, least, most };
  /// Where a walk goes on: a node, or ~leaf when negative.
  using Place = int32_t;
  struct Node {
    double split = 0;
    int32_t feature = 0;
    Place when_true = 0, when_false = 0;
    Mode mode = Mode::leq;
    bool missing_is_true = false;               ///< NaN goes the true way; else what the comparison says
    uint32_t first_member = 0, end_member = 0;  ///< of `members`
  };
  struct Say {
    int32_t target;
    double weight;
  };
  struct Leaf {
    uint32_t first, end;  ///< of `says`
  };

  std::vector<Place> roots;
  std::vector<Node> nodes;
  std::vector<Leaf> leaves;
  std::vector<Say> says;
  std::vector<double> members, base;  ///< base: none, one for all or one for each target
  int64_t targets = 1, features = 0;  ///< features: columns that the nodes ask for
  Aggregate aggregate = Aggregate::sum;
  int post_transform = 0;  ///< numbered as TreeEnsemble's
  // Of a classifier:
  bool binary = false;        ///< two classes, and the leaves speak of one
  bool all_positive = false;  ///< no weight below 0: scores are probabilities

  bool goes_true(const Node& node, double value) const;
  /// The leaf that a row ends in.
  const Leaf& walk(Place root, std::span<const double> row) const;
  /// From the aggregate of every target (nothing said: 0) to a row of regression outputs.
  void finish(std::span<double> scores) const;
  /// From the sums of every class to the scores; the class chosen.
  size_t choose(std::span<double> scores) const;
};

/// invalid_model when the lists do not fit each other, a number is out of range or a tree has a cycle.
Result<Forest> forest_of(const TreeEnsembleAttrs& attrs);
Result<Forest> forest_of(const TreeRegressorAttrs& attrs);
Result<Forest> forest_of(const TreeClassifierAttrs& attrs);

}  // namespace slipway::ops
