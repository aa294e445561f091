// Extents that inference cannot compute get names, so that values of one extent are seen to have one extent.
#include "base/format.hpp"
#include "passes/extents.hpp"
#include "passes/pass.hpp"

namespace slipway::passes {
namespace {

bool nameless(const ir::Fact& fact) {
  if (!fact.is_tensor() || !fact.shape) return false;
  for (ir::Dim d : *fact.shape) {
    if (!d.known() && !d.is_symbol()) return true;
  }
  return false;
}

ir::Fact named(ir::Graph& graph, ir::Fact fact) {
  for (ir::Dim& d : *fact.shape) {
    if (d.known() || d.is_symbol()) continue;
    graph.symbols.push_back(fmt::format("extent{}", graph.symbols.size()));
    d = ir::Dim::symbol(static_cast<int>(graph.symbols.size()) - 1);
  }
  return fact;
}

Result<Answer> visit(const Site& site) {
  ir::Patch patch(site.graph);
  bool any = false;
  const auto look_at = [&](ir::ValueId v) {
    if (v == ir::kNone || !nameless(site.graph.value(v).fact)) return;
    patch.refine(v, named(site.graph, site.graph.value(v).fact));
    any = true;
  };
  for (ir::ValueId v : site.node.inputs) look_at(v);
  if (any) return Answer(std::move(patch));  // what the outputs are follows from the named inputs
  const std::vector<ir::Fact> facts = TRY(ir::infer_node(site.graph, site.node));
  for (size_t i = 0; i < facts.size(); ++i) {
    const ir::ValueId v = site.node.outputs[i];
    if (v == ir::kNone || !nameless(site.graph.value(v).fact)) continue;
    ir::Fact known = merge(site.graph.value(v).fact, facts[i]);
    const std::optional<ir::Shape> computed = computed_shape(site.graph, site.node);
    if (computed && computed->size() == known.shape->size()) known = merge(known, ir::Fact::tensor(known.type, *computed));
    for (const SymbolicCut& cut : site.node.is("Slice") ? symbolic_cuts(site.graph, site.node) : std::vector<SymbolicCut>{}) {
      ir::Dim& d = (*known.shape)[cut.axis];
      if (!d.known() && !d.is_symbol()) d = bounded_extent(site.graph, cut.symbol, cut.bound);
    }
    patch.refine(v, nameless(known) ? named(site.graph, known) : known);
    any = true;
  }
  return any ? Answer(std::move(patch)) : not_mine();
}

}  // namespace

Pass extent_names() {
  return {"extent_names", "gives a name to every extent that is not known", visit};
}

}  // namespace slipway::passes
