// TreeEnsemble, TreeEnsembleRegressor, TreeEnsembleClassifier of ai.onnx.ml.
#include "ops/tree_ensemble.hpp"

#include <map>
#include <set>

#include "base/low_precision.hpp"
#include "ops/function.hpp"
#include "ops/gather.hpp"
#include "ops/sample.hpp"
#include "ops/scores.hpp"

namespace slipway::ops {
namespace {

constexpr size_t kMostNodes = size_t{1} << 30;

bool same(const Tensor& a, const Tensor& b) {
  return static_cast<bool>(a) == static_cast<bool>(b) && (!a || a.same_bytes(b));
}

Status fits(std::string_view list, size_t has, size_t needs) {
  if (has == needs) return {};
  return fail(ErrorCode::invalid_model, "'{}' has {} entries; {} are expected", list, has, needs);
}

/// A list of floats that may stand as a tensor instead.
Result<std::vector<double>> either_list(std::string_view what, const std::vector<float>& list, const Tensor& tensor) {
  if (!tensor) return std::vector<double>(list.begin(), list.end());
  if (!list.empty()) return fail(ErrorCode::invalid_model, "'{}' is given as a list and as a tensor", what);
  if (!is_float(tensor.type())) return fail(ErrorCode::invalid_model, "'{}' cannot be of type {}", what, name(tensor.type()));
  return to_doubles(tensor.view());
}

/// Columns asked for, every place in range, and no walk endless: each tree is walked once, with the path marked.
Status check(Forest& f) {
  for (const Forest::Node& node : f.nodes) {
    if (node.feature < 0) return fail(ErrorCode::invalid_model, "a node asks for feature {}", node.feature);
    f.features = std::max<int64_t>(f.features, int64_t{node.feature} + 1);
  }
  if (f.targets < 1 || f.targets > kMaxElements) return fail(ErrorCode::invalid_model, "there are {} targets", f.targets);
  for (const Forest::Say& say : f.says) {
    if (say.target < 0 || say.target >= f.targets)
      return fail(ErrorCode::invalid_model, "a leaf speaks of target {} of {}", say.target, f.targets);
  }
  if (!f.base.empty() && f.base.size() != 1 && static_cast<int64_t>(f.base.size()) != f.targets)
    return fail(ErrorCode::invalid_model, "there are {} base values for {} targets", f.base.size(), f.targets);
  enum class Mark : uint8_t { fresh, on_path, done };
  std::vector<Mark> marks(f.nodes.size(), Mark::fresh);
  std::vector<Forest::Place> path;
  for (const Forest::Place root : f.roots) {
    path.push_back(root);
    while (!path.empty()) {
      const Forest::Place at = path.back();
      if (at < 0 || marks[static_cast<size_t>(at)] == Mark::done) {
        path.pop_back();
        continue;
      }
      Mark& mark = marks[static_cast<size_t>(at)];
      if (mark == Mark::on_path) {  // both branches are behind us
        mark = Mark::done;
        path.pop_back();
        continue;
      }
      mark = Mark::on_path;
      const Forest::Node& node = f.nodes[static_cast<size_t>(at)];
      for (const Forest::Place next : {node.when_true, node.when_false}) {
        if (next >= 0 && marks[static_cast<size_t>(next)] == Mark::on_path)
          return fail(ErrorCode::invalid_model, "a tree comes back to its node {}", next);
        path.push_back(next);
      }
    }
  }
  return {};
}

Result<Forest::Mode> mode_of(std::string_view word) {
  constexpr std::string_view kWords[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};
  for (size_t i = 0; i < std::size(kWords); ++i) {
    if (word == kWords[i]) return static_cast<Forest::Mode>(i);
  }
  return fail(ErrorCode::invalid_model, "the node mode '{}' is not known", word);
}

/// The nodes of the older operators: inner nodes and leaves get numbers of their own.
class NodeReader {
 public:
  explicit NodeReader(const TreeNodesAttrs& a) : a_(a) {}

  Result<Forest> read(int64_t targets) {
    const size_t count = a_.nodes_nodeids.size();
    if (count == 0 || count > kMostNodes) return fail(ErrorCode::invalid_model, "there are {} nodes", count);
    TRY(fits("nodes_treeids", a_.nodes_treeids.size(), count));
    TRY(fits("nodes_modes", a_.nodes_modes.size(), count));
    TRY(fits("nodes_truenodeids", a_.nodes_truenodeids.size(), count));
    TRY(fits("nodes_falsenodeids", a_.nodes_falsenodeids.size(), count));
    TRY(fits("nodes_featureids", a_.nodes_featureids.size(), count));
    if (!a_.nodes_missing_value_tracks_true.empty())
      TRY(fits("nodes_missing_value_tracks_true", a_.nodes_missing_value_tracks_true.size(), count));
    splits_ = TRY(either_list("nodes_values", a_.nodes_values, a_.nodes_values_as_tensor));
    TRY(fits("nodes_values", splits_.size(), count));
    TRY(number_nodes());
    TRY(add_says());
    for (size_t i = 0; i < count; ++i) TRY(add_node(i));
    forest_.base = TRY(either_list("base_values", a_.base_values, a_.base_values_as_tensor));
    forest_.post_transform = static_cast<int>(TRY(post_transform(a_.post_transform)));
    forest_.targets = targets;
    TRY(check(forest_));
    return std::move(forest_);
  }

 private:
  using Id = std::pair<int64_t, int64_t>;  // tree, node

  Status number_nodes() {
    int32_t inner = 0, leaves = 0;
    for (size_t i = 0; i < a_.nodes_nodeids.size(); ++i) {
      const Forest::Place place = a_.nodes_modes[i] == "LEAF" ? ~leaves++ : inner++;
      if (!places_.emplace(Id{a_.nodes_treeids[i], a_.nodes_nodeids[i]}, place).second)
        return fail(ErrorCode::invalid_model, "node {} of tree {} is there twice", a_.nodes_nodeids[i], a_.nodes_treeids[i]);
      if (trees_.insert(a_.nodes_treeids[i]).second) forest_.roots.push_back(place);
    }
    forest_.leaves.resize(static_cast<size_t>(leaves), {0, 0});
    return {};
  }

  Result<Forest::Place> place(int64_t tree, int64_t node) const {
    const auto at = places_.find({tree, node});
    if (at != places_.end()) return at->second;
    return fail(ErrorCode::invalid_model, "tree {} has no node {}", tree, node);
  }

  Status add_node(size_t i) {
    if (a_.nodes_modes[i] == "LEAF") return {};
    Forest::Node node;
    node.mode = TRY(mode_of(a_.nodes_modes[i]));
    node.split = splits_[i];
    if (a_.nodes_featureids[i] < 0 || a_.nodes_featureids[i] > INT32_MAX)
      return fail(ErrorCode::invalid_model, "a node asks for feature {}", a_.nodes_featureids[i]);
    node.feature = static_cast<int32_t>(a_.nodes_featureids[i]);
    node.when_true = TRY(place(a_.nodes_treeids[i], a_.nodes_truenodeids[i]));
    node.when_false = TRY(place(a_.nodes_treeids[i], a_.nodes_falsenodeids[i]));
    node.missing_is_true = !a_.nodes_missing_value_tracks_true.empty() && a_.nodes_missing_value_tracks_true[i] != 0;
    forest_.nodes.push_back(node);
    return {};
  }

  /// Sorted by leaf, each leaf's in the order given.
  Status add_says() {
    const size_t count = a_.said_nodeids.size();
    const std::vector<double> weights = TRY(either_list("weights", a_.said_weights, a_.said_weights_as_tensor));
    TRY(fits("the tree numbers of the weights", a_.said_treeids.size(), count));
    TRY(fits("the targets of the weights", a_.said_ids.size(), count));
    TRY(fits("the weights", weights.size(), count));
    std::vector<std::pair<int32_t, size_t>> order;  // leaf, entry
    for (size_t i = 0; i < count; ++i) {
      const Forest::Place at = TRY(place(a_.said_treeids[i], a_.said_nodeids[i]));
      if (at >= 0) continue;  // a weight of an inner node is never met
      order.emplace_back(~at, i);
    }
    std::sort(order.begin(), order.end());
    for (const auto& [leaf, i] : order) {
      if (a_.said_ids[i] < 0 || a_.said_ids[i] > INT32_MAX)
        return fail(ErrorCode::invalid_model, "a leaf speaks of target {}", a_.said_ids[i]);
      Forest::Leaf& at = forest_.leaves[static_cast<size_t>(leaf)];
      if (at.end == at.first) at.first = at.end = static_cast<uint32_t>(forest_.says.size());
      forest_.says.push_back({static_cast<int32_t>(a_.said_ids[i]), weights[i]});
      ++at.end;
    }
    return {};
  }

  const TreeNodesAttrs& a_;
  std::vector<double> splits_;
  std::map<Id, Forest::Place> places_;
  std::set<int64_t> trees_;
  Forest forest_;
};

/// The sets of 'in' nodes follow each other, each ended by a NaN.
Status add_members(Forest& f, const Tensor& values) {
  std::vector<double> all;
  if (values) all = to_doubles(values.view());
  size_t at = 0;
  for (Forest::Node& node : f.nodes) {
    if (node.mode != Forest::Mode::member) continue;
    node.first_member = static_cast<uint32_t>(f.members.size());
    while (at < all.size() && !std::isnan(all[at])) f.members.push_back(all[at++]);
    if (at == all.size()) return Error(ErrorCode::invalid_model, "membership_values has too few sets");
    node.end_member = static_cast<uint32_t>(f.members.size());
    ++at;
  }
  return {};
}

}  // namespace

bool TreeEnsembleAttrs::operator==(const TreeEnsembleAttrs& o) const {
  return std::tie(aggregate_function, post_transform, n_targets, tree_roots, nodes_featureids, nodes_truenodeids,
                  nodes_falsenodeids, nodes_trueleafs, nodes_falseleafs, nodes_missing_value_tracks_true,
                  leaf_targetids) == std::tie(o.aggregate_function, o.post_transform, o.n_targets, o.tree_roots,
                                              o.nodes_featureids, o.nodes_truenodeids, o.nodes_falsenodeids, o.nodes_trueleafs,
                                              o.nodes_falseleafs, o.nodes_missing_value_tracks_true, o.leaf_targetids) &&
         same(nodes_modes, o.nodes_modes) && same(nodes_splits, o.nodes_splits) && same(nodes_hitrates, o.nodes_hitrates) &&
         same(membership_values, o.membership_values) && same(leaf_weights, o.leaf_weights);
}

bool TreeNodesAttrs::operator==(const TreeNodesAttrs& o) const {
  return std::tie(nodes_treeids, nodes_nodeids, nodes_featureids, nodes_truenodeids, nodes_falsenodeids,
                  nodes_missing_value_tracks_true, nodes_modes, nodes_values, nodes_hitrates, base_values, post_transform,
                  said_treeids, said_nodeids, said_ids, said_weights) ==
             std::tie(o.nodes_treeids, o.nodes_nodeids, o.nodes_featureids, o.nodes_truenodeids, o.nodes_falsenodeids,
                      o.nodes_missing_value_tracks_true, o.nodes_modes, o.nodes_values, o.nodes_hitrates, o.base_values,
                      o.post_transform, o.said_treeids, o.said_nodeids, o.said_ids, o.said_weights) &&
         same(nodes_values_as_tensor, o.nodes_values_as_tensor) && same(nodes_hitrates_as_tensor, o.nodes_hitrates_as_tensor) &&
         same(base_values_as_tensor, o.base_values_as_tensor) && same(said_weights_as_tensor, o.said_weights_as_tensor);
}

bool TreeRegressorAttrs::operator==(const TreeRegressorAttrs& o) const {
  return TreeNodesAttrs::operator==(o) && aggregate_function == o.aggregate_function && n_targets == o.n_targets;
}

bool TreeClassifierAttrs::operator==(const TreeClassifierAttrs& o) const {
  return TreeNodesAttrs::operator==(o) && classlabels_int64s == o.classlabels_int64s &&
         classlabels_strings == o.classlabels_strings;
}

bool Forest::goes_true(const Node& node, double value) const {
  if (node.missing_is_true && std::isnan(value)) return true;
  switch (node.mode) {
    case Mode::leq:
      return value <= node.split;
    case Mode::lt:
      return value < node.split;
    case Mode::gte:
      return value >= node.split;
    case Mode::gt:
      return value > node.split;
    case Mode::eq:
      return value == node.split;
    case Mode::neq:
      return value != node.split && !std::isnan(value);
    case Mode::member:
      return std::find(members.begin() + node.first_member, members.begin() + node.end_member, value) !=
             members.begin() + node.end_member;
  }
  return false;
}

const Forest::Leaf& Forest::walk(Place root, std::span<const double> row) const {
  Place at = root;
  while (at >= 0) {
    const Node& node = nodes[static_cast<size_t>(at)];
    at = goes_true(node, row[static_cast<size_t>(node.feature)]) ? node.when_true : node.when_false;
  }
  return leaves[static_cast<size_t>(~at)];
}

void Forest::finish(std::span<double> scores) const {
  for (size_t i = 0; i < scores.size(); ++i) {
    if (aggregate == Aggregate::average) scores[i] /= static_cast<double>(std::max<size_t>(roots.size(), 1));
    if (!base.empty()) scores[i] += base[base.size() == 1 ? 0 : i];
  }
  transform(scores, static_cast<PostTransform>(post_transform));
}

size_t Forest::choose(std::span<double> scores) const {
  const auto after = static_cast<PostTransform>(post_transform);
  if (!binary && scores.size() > 1) {
    for (size_t i = 0; i < scores.size(); ++i) scores[i] += base.empty() ? 0 : base[base.size() == 1 ? 0 : i];
    const size_t chosen = largest(scores);
    transform(scores, after);
    return chosen;
  }
  double score = base.empty() ? 0 : base.back();
  for (double s : scores) score += s;  // only one class was spoken of
  const size_t chosen = score > (all_positive ? 0.5 : 0) ? 1 : 0;
  if (scores.size() == 1) {
    scores[0] = score;
  } else {
    const bool opposite = after == PostTransform::none ? !all_positive : after != PostTransform::probit;
    scores[0] = opposite ? -score : 1 - score;
    scores[1] = score;
  }
  transform(scores, after);
  return chosen;
}

Result<Forest> forest_of(const TreeEnsembleAttrs& a) {
  const size_t nodes = a.nodes_featureids.size(), leaves = a.leaf_targetids.size();
  if (nodes > kMostNodes || leaves > kMostNodes) return Error(ErrorCode::limit, "there are too many nodes");
  if (a.aggregate_function < 0 || a.aggregate_function > 3 || a.post_transform < 0 || a.post_transform > 4)
    return fail(ErrorCode::invalid_model, "aggregate_function {} or post_transform {} is not known", a.aggregate_function,
                a.post_transform);
  if (a.nodes_modes.type() != E::u8 || !is_float(a.nodes_splits.type()) || !is_float(a.leaf_weights.type()) ||
      (a.membership_values && !is_float(a.membership_values.type())))
    return Error(ErrorCode::invalid_model, "nodes_modes must be u8; splits, weights and members must be floats");
  TRY(fits("nodes_modes", static_cast<size_t>(a.nodes_modes.count()), nodes));
  TRY(fits("nodes_splits", static_cast<size_t>(a.nodes_splits.count()), nodes));
  TRY(fits("nodes_truenodeids", a.nodes_truenodeids.size(), nodes));
  TRY(fits("nodes_falsenodeids", a.nodes_falsenodeids.size(), nodes));
  TRY(fits("nodes_trueleafs", a.nodes_trueleafs.size(), nodes));
  TRY(fits("nodes_falseleafs", a.nodes_falseleafs.size(), nodes));
  TRY(fits("leaf_weights", static_cast<size_t>(a.leaf_weights.count()), leaves));
  if (!a.nodes_missing_value_tracks_true.empty())
    TRY(fits("nodes_missing_value_tracks_true", a.nodes_missing_value_tracks_true.size(), nodes));
  const auto place = [&](int64_t number, bool leaf) -> Result<Forest::Place> {
    if (number < 0 || static_cast<size_t>(number) >= (leaf ? leaves : nodes))
      return fail(ErrorCode::invalid_model, "there is no {} {}", leaf ? "leaf" : "node", number);
    return static_cast<Forest::Place>(leaf ? ~number : number);
  };
  Forest f;
  const auto* modes = a.nodes_modes.as<uint8_t>();
  for (size_t i = 0; i < nodes; ++i) {
    Forest::Node node;
    if (modes[i] > 6) return fail(ErrorCode::invalid_model, "the node mode {} is not known", modes[i]);
    node.mode = static_cast<Forest::Mode>(modes[i]);
    node.split = load<double>(a.nodes_splits, static_cast<int64_t>(i));
    if (a.nodes_featureids[i] < 0 || a.nodes_featureids[i] > INT32_MAX)
      return fail(ErrorCode::invalid_model, "a node asks for feature {}", a.nodes_featureids[i]);
    node.feature = static_cast<int32_t>(a.nodes_featureids[i]);
    node.when_true = TRY(place(a.nodes_truenodeids[i], a.nodes_trueleafs[i] != 0));
    node.when_false = TRY(place(a.nodes_falsenodeids[i], a.nodes_falseleafs[i] != 0));
    node.missing_is_true = !a.nodes_missing_value_tracks_true.empty() && a.nodes_missing_value_tracks_true[i] != 0;
    f.nodes.push_back(node);
  }
  for (int64_t root : a.tree_roots) f.roots.push_back(TRY(place(root, false)));
  for (size_t i = 0; i < leaves; ++i) {
    if (a.leaf_targetids[i] < 0 || a.leaf_targetids[i] > INT32_MAX)
      return fail(ErrorCode::invalid_model, "a leaf speaks of target {}", a.leaf_targetids[i]);
    f.leaves.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(i + 1)});
    f.says.push_back({static_cast<int32_t>(a.leaf_targetids[i]), load<double>(a.leaf_weights, static_cast<int64_t>(i))});
  }
  TRY(add_members(f, a.membership_values));
  f.targets = a.n_targets;
  f.aggregate = static_cast<Forest::Aggregate>(a.aggregate_function);
  f.post_transform = static_cast<int>(a.post_transform);
  TRY(check(f));
  return f;
}

Result<Forest> forest_of(const TreeRegressorAttrs& a) {
  Forest f = TRY(NodeReader(a).read(a.n_targets));
  constexpr std::string_view kWords[] = {"AVERAGE", "SUM", "MIN", "MAX"};
  const auto at = std::find(std::begin(kWords), std::end(kWords), a.aggregate_function);
  if (at == std::end(kWords))
    return fail(ErrorCode::invalid_model, "aggregate_function '{}' is not one of AVERAGE, SUM, MIN, MAX", a.aggregate_function);
  f.aggregate = static_cast<Forest::Aggregate>(at - std::begin(kWords));
  return f;
}

Result<Forest> forest_of(const TreeClassifierAttrs& a) {
  const ClassLabels labels{a.classlabels_int64s, a.classlabels_strings};
  TRY(labels.check());
  Forest f = TRY(NodeReader(a).read(static_cast<int64_t>(labels.count())));
  f.all_positive = true;
  bool one = true;
  for (const Forest::Say& say : f.says) {
    f.all_positive = f.all_positive && !(say.weight < 0);
    one = one && say.target == f.says[0].target;
  }
  f.binary = labels.count() == 2 && one;
  return f;
}

namespace {

/// The aggregate of what the trees say of a row.
void aggregate(const Forest& f, std::span<const double> row, std::span<double> scores) {
  std::vector<bool> said(scores.size());
  std::fill(scores.begin(), scores.end(), 0.0);
  for (const Forest::Place root : f.roots) {
    const Forest::Leaf& leaf = f.walk(root, row);
    for (uint32_t i = leaf.first; i < leaf.end; ++i) {
      const auto target = static_cast<size_t>(f.says[i].target);
      const double weight = f.says[i].weight;
      double& score = scores[target];
      if (f.aggregate == Forest::Aggregate::average || f.aggregate == Forest::Aggregate::sum) {
        score += weight;
      } else if (!said[target] || (f.aggregate == Forest::Aggregate::least ? weight < score : weight > score)) {
        score = weight;
      }
      said[target] = true;
    }
  }
}

Status check_features(const Forest& f, Dim columns) {
  if (!columns.known() || columns.value() >= f.features) return {};
  return fail(ErrorCode::invalid_model, "the trees ask for {} features, the input has {}", f.features, columns.value());
}

template <class A>
Status infer_regressor(InferContext& c) {
  const Forest f = TRY(forest_of(c.attrs<A>()));
  const FeatureShape x = TRY(feature_shape(c.shape(0)));
  TRY(check_features(f, x.columns));
  const Shape out{x.rows, Dim(f.targets)};
  TRY(check_size(out));
  c.set(0, std::is_same_v<A, TreeEnsembleAttrs> ? c.type(0) : E::f32, out);
  return {};
}

template <class A>
Status run_regressor(RefContext& c) {
  const Dims dims = TRY(actual_dims(c));
  const Forest f = TRY(forest_of(c.attrs<A>()));
  const FeatureRows x(c);
  std::vector<double> all(static_cast<size_t>(dims.count()));
  const auto targets = static_cast<size_t>(f.targets);
  for (int64_t n = 0; n < x.count(); ++n) {
    const std::span<double> scores = std::span(all).subspan(static_cast<size_t>(n) * targets, targets);
    aggregate(f, x.at(n), scores);
    f.finish(scores);
  }
  c.set_doubles(0, std::is_same_v<A, TreeEnsembleAttrs> ? c.in(0).type() : E::f32, dims, all);
  return {};
}

Status infer_votes(InferContext& c) {
  const Forest f = TRY(forest_of(c.attrs<TreeClassifierAttrs>()));
  const FeatureShape x = TRY(feature_shape(c.shape(0)));
  TRY(check_features(f, x.columns));
  c.set(0, E::i64, Shape{x.rows});
  c.set(1, E::f32, Shape{x.rows, Dim(f.targets)});
  return {};
}

Status run_votes(RefContext& c) {
  const Dims dims = TRY(actual_dims(c, 1));
  const Forest f = TRY(forest_of(c.attrs<TreeClassifierAttrs>()));
  const FeatureRows x(c);
  Tensor chosen = c.out(0, E::i64, {x.count()});
  std::vector<double> all(static_cast<size_t>(dims.count()));
  const auto targets = static_cast<size_t>(f.targets);
  for (int64_t n = 0; n < x.count(); ++n) {
    const std::span<double> scores = std::span(all).subspan(static_cast<size_t>(n) * targets, targets);
    aggregate(f, x.at(n), scores);
    chosen.as<int64_t>()[n] = static_cast<int64_t>(f.choose(scores));
  }
  c.set_doubles(1, E::f32, dims, all);
  return {};
}

/// The class chosen stands for its label.
void classifier_body(FunctionBody& b) {
  const auto& a = b.attrs<TreeClassifierAttrs>();
  const ClassLabels labels{a.classlabels_int64s, a.classlabels_strings};
  if (Status given = labels.check(); !given) return b.fail(std::move(given).error());
  const std::vector<ir::ValueId> votes = b.nodes("TreeVotes", a, {b.in(0)}, 2, "slipway");
  const size_t count = std::max<size_t>(labels.count(), 2);
  Tensor table(labels.type(), {static_cast<int64_t>(count)});
  for (size_t k = 0; k < count; ++k) labels.store(table, static_cast<int64_t>(k), k);
  b.set(0, b.node("Gather", GatherAttrs{}, {b.constant(std::move(table)), votes[0]}));
  b.set(1, votes[1]);
}

/// Two trees on three features, the second one a single leaf, in the older form.
void plant(TreeNodesAttrs& a, bool one_target) {
  a.nodes_treeids = {0, 0, 0, 0, 0, 1};
  a.nodes_nodeids = {0, 1, 2, 3, 4, 0};
  a.nodes_featureids = {0, 2, 0, 0, 0, 0};
  a.nodes_modes = {"BRANCH_LEQ", "BRANCH_GT", "LEAF", "LEAF", "LEAF", "LEAF"};
  a.nodes_values = {0.25f, -0.5f, 0, 0, 0, 0};
  a.nodes_truenodeids = {1, 3, 0, 0, 0, 0};
  a.nodes_falsenodeids = {2, 4, 0, 0, 0, 0};
  a.said_treeids = {0, 0, 0, 0, 1};
  a.said_nodeids = {2, 3, 4, 4, 0};
  a.said_ids = {0, 1, 0, 1, 1};
  a.said_weights = {0.5f, 0.25f, 1.5f, 0.75f, 0.125f};
  if (one_target) a.said_ids.assign(5, 0);
}

std::vector<Sample> regressor_samples() {
  TreeRegressorAttrs sum, average, least;
  plant(sum, true);
  plant(average, false);
  average.n_targets = 2;
  average.aggregate_function = "AVERAGE";
  average.base_values = {1, 2};
  average.post_transform = "SOFTMAX";
  least = average;
  least.aggregate_function = "MIN";
  least.nodes_missing_value_tracks_true = {1, 0, 0, 0, 0, 0};
  least.nodes_modes[1] = "BRANCH_NEQ";
  const Tensor x = sample::noise({37, 3});
  const double nan = std::nan("");
  return {{"sum", sum, {{x}}},
          {"average", average, {{x}}},
          {"least_with_missing", least, {{sample::floats({4, 3}, {nan, 0, -0.5, 1, nan, nan, -1, 0, nan, 0, 0, 0})}}},
          {"integers", sum, {{sample::random(E::i64, {5, 4}, -2, 2)}}},
          {"reals", sum, {{sample::noise(E::f64, {9, 3})}}},
          {"one_row", average, {{sample::noise({3})}}}};
}

std::vector<Sample> classifier_samples() {
  TreeClassifierAttrs three, likely, mixed;
  plant(three, false);
  three.classlabels_int64s = {7, 8, 9};
  plant(likely, true);
  likely.classlabels_strings = {"no", "yes"};
  mixed = likely;
  mixed.said_weights[0] = -2;
  mixed.post_transform = "LOGISTIC";
  const SampleInput x{sample::noise({21, 3})};
  return {{"three", three, {x}, 2}, {"likely", likely, {x}, 2}, {"mixed", mixed, {x}, 2}};
}

std::vector<Sample> votes_samples() {
  std::vector<Sample> out = classifier_samples();
  out.push_back({"reals", out[0].attrs, {{sample::noise(E::f64, {3, 5})}}, 2});
  return out;
}

std::vector<Sample> ensemble_samples() {
  TreeEnsembleAttrs a;
  a.n_targets = 2;
  a.tree_roots = {0, 2};
  a.nodes_featureids = {0, 1, 2};
  a.nodes_modes = sample::numbers(E::u8, {3}, {0, 6, 3});
  a.nodes_splits = sample::floats({3}, {0, 0, 0.5});
  a.membership_values = sample::floats({3}, {1, 3, std::nan("")});
  a.nodes_truenodeids = {1, 0, 2};
  a.nodes_trueleafs = {0, 1, 1};
  a.nodes_falsenodeids = {1, 2, 0};
  a.nodes_falseleafs = {1, 1, 1};
  a.leaf_targetids = {0, 1, 0};
  a.leaf_weights = sample::floats({3}, {5, 12, -7});
  TreeEnsembleAttrs plain = a;
  plain.nodes_modes = sample::numbers(E::u8, {3}, {1, 2, 3});
  plain.membership_values = Tensor();
  plain.aggregate_function = 3;
  const Tensor x = sample::random({12, 3}, -2, 4);
  return {{"members", a, {{sample::numbers(E::f32, {4, 3}, {-1, 1, 0, -1, 2, 1, 1, 1, 1, -3, 3, 0.5})}}},
          {"order", plain, {{x}}},
          {"f64", plain, {{sample::random(E::f64, {5, 3})}}},
          {"f16", plain, {{sample::random(E::f16, {5, 3})}}}};
}

}  // namespace

OpFamily tree_ensemble() {
  OpFamily family;
  family.push_back(Op("TreeEnsemble", {5}, kMl)
                       .attrs<TreeEnsembleAttrs>()
                       .in("X", types(E::f32, E::f64, E::f16))
                       .out("Y")
                       .infer(infer_regressor<TreeEnsembleAttrs>)
                       .reference(run_regressor<TreeEnsembleAttrs>)
                       .samples(ensemble_samples)
                       .tolerance(Tolerance::rounding)
                       .doc("What decision trees say of rows of features, taken together."));
  family.push_back(Op("TreeEnsembleRegressor", {1, 3, 5}, kMl)
                       .attrs<TreeRegressorAttrs>()
                       .in("X", kFeatures)
                       .out("Y", types(E::f32), 0)
                       .infer(infer_regressor<TreeRegressorAttrs>)
                       .reference(run_regressor<TreeRegressorAttrs>)
                       .samples(regressor_samples)
                       .tolerance(Tolerance::rounding)
                       .doc("TreeEnsemble in its older form."));
  family.push_back(Op("TreeVotes", {1}, "slipway")
                       .attrs<TreeClassifierAttrs>()
                       .in("X", kFeatures)
                       .out("chosen", types(E::i64), 0)
                       .out("scores", types(E::f32), 0)
                       .infer(infer_votes)
                       .reference(run_votes)
                       .samples(votes_samples)
                       .tolerance(Tolerance::rounding)
                       .doc("TreeEnsembleClassifier with the number of the class in place of its label."));
  family.push_back(function<classifier_body, TreeClassifierAttrs>(Op("TreeEnsembleClassifier", {1, 3, 5}, kMl)
                                                                      .in("X", kFeatures)
                                                                      .out("Y", types(E::string, E::i64), 0)
                                                                      .out("Z", types(E::f32), 0))
                       .samples(classifier_samples)
                       .doc("The class that decision trees vote for, and the scores."));
  return family;
}

}  // namespace slipway::ops
