// Elementwise nodes that feed each other become one loop.
#include <algorithm>

#include "passes/fuse.hpp"

namespace slipway::passes {
namespace {

constexpr size_t kMaxInputs = 8, kMaxNodes = 48;

class Cluster {
 public:
  Cluster(const Site& site) : site_(site), nodes_{site.id} {}

  /// Takes in producers as long as everything they give stays inside and nothing is computed more often than before.
  void grow() {
    for (bool grown = true; grown && nodes_.size() < kMaxNodes;) {
      grown = false;
      for (ir::ValueId v : external()) {
        const ir::NodeId producer = site_.graph.value(v).producer;
        if (producer == ir::kNone || !fits(producer, v)) continue;
        nodes_.push_back(producer);
        if (external().size() <= kMaxInputs) {
          grown = true;
          break;
        }
        nodes_.pop_back();
      }
    }
  }

  size_t size() const { return nodes_.size(); }
  /// In topological order.
  std::vector<ir::NodeId> nodes() const {
    std::vector<ir::NodeId> out = nodes_;
    std::sort(out.begin(), out.end(), [&](ir::NodeId a, ir::NodeId b) { return site_.order[a] < site_.order[b]; });
    return out;
  }

 private:
  bool inside(ir::NodeId id) const { return std::find(nodes_.begin(), nodes_.end(), id) != nodes_.end(); }

  std::vector<ir::ValueId> external() const {
    std::vector<ir::ValueId> out;
    for (ir::NodeId id : nodes_) {
      for (ir::ValueId v : site_.graph.node(id).inputs) {
        if (v == ir::kNone || scalar(site_, v) || inside(site_.graph.value(v).producer)) continue;
        if (std::find(out.begin(), out.end(), v) == out.end()) out.push_back(v);
      }
    }
    return out;
  }

  bool fits(ir::NodeId id, ir::ValueId value) const {
    const auto users = site_.uses.of(value);
    return id < site_.order.size() && is_eltwise(site_, site_.graph.node(id)) && !site_.uses.is_output(value) &&
           may_be_same_shape(site_.fact(value), site_.fact(site_.out())) &&
           std::all_of(users.begin(), users.end(), [&](ir::NodeId user) { return inside(user); });
  }

  const Site& site_;
  std::vector<ir::NodeId> nodes_;
};

Result<Answer> visit(const Site& site) {
  if (!is_eltwise(site, site.node) || !has_rank(site.fact(site.out()))) return not_mine();
  Cluster cluster(site);
  cluster.grow();
  if (cluster.size() < 2) return not_mine();
  GroupBuilder group(site.graph, GroupBuilder::Operands::one_input_per_value);
  for (ir::NodeId id : cluster.nodes()) group.add(id, GroupBuilder::Role::elementwise);
  if (group.input_count() > kMaxInputs) return declined("it would read too many tensors at once");
  ir::Patch patch(site.graph);
  const ir::ValueId result = TRY(group.finish(patch, "eltwise", site.node.name, site.out()));
  return replaced(site, std::move(patch), result);
}

}  // namespace

Pass eltwise() {
  return {"eltwise", "elementwise nodes that feed each other become one loop", visit, true};
}

}  // namespace slipway::passes
