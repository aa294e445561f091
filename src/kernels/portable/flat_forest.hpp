// Decision trees laid out for speed: every node is one comparison `x <= split` with two places to go on, leaves lead to
// themselves, and eight walks run side by side so that their loads overlap.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "ops/tree_ensemble.hpp"

namespace slipway::kernels {

template <class T>
class FlatForest {
 public:
  static constexpr int kLanes = 8;
  using Places = std::array<int32_t, kLanes>;

  /// Nothing when a node asks for equality or membership, when a split does not fit T, or when trees share too much.
  static std::optional<FlatForest> of(const ops::Forest& forest) {
    FlatForest out;
    for (const ops::Forest::Place root : forest.roots) {
      if (!out.add_tree(forest, root)) return std::nullopt;
    }
    return out;
  }

  size_t trees() const { return trees_.size(); }
  int64_t depth() const { return depth_; }

  /// Leaf numbers (of the Forest) that rows 0..kLanes-1 of `rows` end in, in one tree.
  void walk_rows(size_t tree, const std::array<const T*, kLanes>& rows, Places& leaves) const {
    const Tree& t = trees_[tree];
    leaves.fill(t.root);
    go(rows, leaves, t.depth, [&](size_t) { return t.first_leaf; });
    for (int32_t& leaf : leaves) leaf = leaf_numbers_[static_cast<size_t>(t.leaves + leaf - t.first_leaf)];
  }
  /// Leaf numbers that one row ends in, in `count` <= kLanes trees from `tree` on.
  void walk_trees(size_t tree, size_t count, const T* row, Places& leaves) const {
    std::array<const T*, kLanes> rows;
    rows.fill(row);
    int32_t depth = 0;
    for (size_t i = 0; i < kLanes; ++i) {
      const Tree& t = trees_[tree + std::min(i, count - 1)];
      leaves[i] = t.root;
      depth = std::max(depth, t.depth);
    }
    go(rows, leaves, depth, [&](size_t lane) { return trees_[tree + std::min(lane, count - 1)].first_leaf; });
    for (size_t i = 0; i < count; ++i) {
      const Tree& t = trees_[tree + i];
      leaves[i] = leaf_numbers_[static_cast<size_t>(t.leaves + leaves[i] - t.first_leaf)];
    }
  }

 private:
  struct Step {
    T split;
    int32_t feature;  ///< top bit set: NaN goes to next[1]
    int32_t next[2];  ///< when x <= split is false, true
  };
  struct Tree {
    int32_t root, first_leaf, leaves, depth;
  };
  static constexpr int32_t kFeature = std::numeric_limits<int32_t>::max();

  template <class FirstLeaf>
  void go(const std::array<const T*, kLanes>& rows, Places& at, int32_t depth, FirstLeaf first_leaf) const {
    constexpr int32_t kStride = 4;  // levels between looks whether all walks have ended
    while (depth > 0) {
      const int32_t levels = std::min(depth, kStride);
      if (missing_) {
        descend<true>(rows, at, levels);
      } else {
        descend<false>(rows, at, levels);
      }
      depth -= levels;
      bool ended = true;
      for (size_t lane = 0; lane < kLanes; ++lane) ended = ended & (at[lane] >= first_leaf(lane));
      if (ended) return;
    }
  }

  template <bool kMissing>
  void descend(const std::array<const T*, kLanes>& rows, Places& places, int32_t levels) const {
    const Step* steps = steps_.data();
    Places at = places;
    for (int32_t level = 0; level < levels; ++level) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const Step& step = steps[at[lane]];
        const T x = rows[lane][kMissing ? step.feature & kFeature : step.feature];
        unsigned way = x <= step.split ? 1 : 0;
        if constexpr (kMissing) way |= static_cast<unsigned>(step.feature < 0) & static_cast<unsigned>(std::isnan(x));
        at[lane] = step.next[way];
      }
    }
    places = at;
  }

  bool add_tree(const ops::Forest& f, ops::Forest::Place root) {
    // Inner nodes in order of first meeting, then the leaves; a node met twice is there twice.
    struct Met {
      ops::Forest::Place place;
      int32_t parent, way, depth;
    };
    const size_t most = 4 * (f.nodes.size() + f.leaves.size() + f.roots.size());  // shared branches multiply
    std::vector<Met> queue{{root, -1, 0, 0}}, ends;
    Tree tree{0, 0, static_cast<int32_t>(leaf_numbers_.size()), 0};
    const auto link = [&](const Met& met, int32_t here) {
      if (met.parent >= 0) steps_[static_cast<size_t>(met.parent)].next[met.way] = here;
    };
    const auto first = static_cast<int32_t>(steps_.size());
    while (!queue.empty()) {
      const Met met = queue.back();
      queue.pop_back();
      if (met.place < 0) {
        ends.push_back(met);
        continue;
      }
      if (steps_.size() + ends.size() + queue.size() > most) return false;
      const ops::Forest::Node& node = f.nodes[static_cast<size_t>(met.place)];
      const auto here = static_cast<int32_t>(steps_.size());
      link(met, here);
      bool swapped = false;
      const std::optional<Step> step = step_of(node, swapped);
      if (!step) return false;
      steps_.push_back(*step);
      queue.push_back({node.when_false, here, swapped ? 1 : 0, met.depth + 1});
      queue.push_back({node.when_true, here, swapped ? 0 : 1, met.depth + 1});
    }
    tree.first_leaf = static_cast<int32_t>(steps_.size());
    tree.root = root < 0 ? tree.first_leaf : first;
    for (const Met& met : ends) {
      const auto here = static_cast<int32_t>(steps_.size());
      link(met, here);
      steps_.push_back({T(0), 0, {here, here}});
      leaf_numbers_.push_back(~met.place);
      tree.depth = std::max(tree.depth, met.depth);
    }
    depth_ += tree.depth;
    trees_.push_back(tree);
    return true;
  }

  /// Every order comparison as `x <= split`, perhaps with the ways swapped.
  std::optional<Step> step_of(const ops::Forest::Node& node, bool& swapped) {
    using Mode = ops::Forest::Mode;
    if (node.mode > Mode::gt || node.feature == kFeature) return std::nullopt;
    T split = static_cast<T>(node.split);
    if (static_cast<double>(split) != node.split && !std::isnan(node.split)) return std::nullopt;
    if (node.mode == Mode::lt || node.mode == Mode::gte) {  // x < s is x <= (what comes before s)
      const T least = -std::numeric_limits<T>::infinity();
      split = split == least ? std::numeric_limits<T>::quiet_NaN() : std::nextafter(split, least);
    }
    swapped = node.mode == Mode::gte || node.mode == Mode::gt;
    const bool no_number = std::isnan(split);  // such comparisons are false for every x
    if (swapped && no_number && std::isnan(node.split)) return std::nullopt;
    const bool missing = swapped ? !node.missing_is_true : node.missing_is_true;
    missing_ = missing_ || missing;
    return Step{split, missing ? node.feature | std::numeric_limits<int32_t>::min() : node.feature, {0, 0}};
  }

  std::vector<Step> steps_;
  std::vector<Tree> trees_;
  std::vector<int32_t> leaf_numbers_;
  int64_t depth_ = 0;  ///< of all trees together
  bool missing_ = false;
};

}  // namespace slipway::kernels
