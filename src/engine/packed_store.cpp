#include "engine/packed_store.hpp"

namespace slipway::engine {

void ModelPackedStore::own(const ir::Graph& graph) {
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    if (graph.value(v).is_constant()) forms_[graph.value(v).constant.data()];
  }
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
    if (!graph.node(id).alive()) continue;
    for (const ir::AttrEntry& attr : graph.node(id).attrs.entries()) {
      if (const auto* g = std::get_if<ir::GraphRef>(&attr.value); g != nullptr && *g != nullptr) own(**g);
    }
  }
}

Result<tactic::Packed> ModelPackedStore::packed(const Tensor& constant, const tactic::Packing& packing) {
  const std::lock_guard lock(mutex_);
  const auto known = forms_.find(constant.data());
  if (known == forms_.end()) return tactic::Packed();
  const std::string key = packing.recipe + "/" + std::string(name(constant.type())) + to_string(constant.dims());
  tactic::Packed& form = known->second[key];
  if (form == nullptr) {
    std::shared_ptr<void> bytes = allocate(packing.bytes);
    packing.pack(constant, static_cast<std::byte*>(bytes.get()));
    form = tactic::Packed(bytes, static_cast<const std::byte*>(bytes.get()));
  }
  return form;
}

size_t ModelPackedStore::bytes() const {
  const std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [data, forms] : forms_) total += forms.size();
  return total;
}

}  // namespace slipway::engine
