#include "engine/packed_store.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "base/log.hpp"
#include "base/pages.hpp"

namespace slipway::engine {

std::string form_name(const Tensor& constant, const tactic::Packing& packing) {
  return fmt::format("{}/{}/{}{}", packing.recipe, packing.bytes, name(constant.type()), to_string(constant.dims()));
}

namespace {

std::shared_ptr<void> memory_for(size_t bytes) {
  constexpr size_t kWorthPages = size_t{64} << 10;
  return bytes < kWorthPages ? allocate(bytes) : allocate_pages(bytes);
}

}  // namespace

ModelPackedStore::ModelPackedStore(const ir::Graph& graph, std::vector<StoredConstant> stored) {
  own(graph);
  for (StoredConstant& from : stored) {
    Constant& constant = constants_[from.data];
    constant.owner = std::move(from.owner);
    constant.present = from.present;
    constant.bytes = from.bytes;
    for (StoredForm& form : from.forms) constant.forms.emplace(form.name, std::move(form));
  }
}

void ModelPackedStore::own(const ir::Graph& graph) {
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    if (graph.value(v).is_constant()) constants_[graph.value(v).constant.data()];
  }
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
    if (!graph.node(id).alive()) continue;
    for (const ir::AttrEntry& attr : graph.node(id).attrs.entries()) {
      if (const auto* g = std::get_if<ir::GraphRef>(&attr.value); g != nullptr && *g != nullptr) own(**g);
    }
  }
}

const StoredForm* ModelPackedStore::undoable(const Constant& constant) {
  for (const auto& [name, form] : constant.forms) {
    if (form.placement) return &form;
  }
  return nullptr;
}

Result<tactic::Packed> ModelPackedStore::packed(const Tensor& constant, const tactic::Packing& packing) {
  const std::lock_guard lock(mutex_);
  const auto at = constants_.find(constant.data());
  if (at == constants_.end()) return tactic::Packed();
  Constant& known = at->second;
  const std::string name = form_name(constant, packing);
  const auto form = known.forms.find(name);
  if (form != known.forms.end()) {
    if (form->second.bytes == packing.bytes) return form->second.data;
    return fail(ErrorCode::invalid_model, "the engine file is damaged: packed weight {} has {} bytes; build it again", name,
                form->second.bytes);
  }
  Tensor original = constant;
  if (!known.present) {  // packed in another way so far: undone for this moment only
    const StoredForm* from = undoable(known);
    if (from == nullptr || known.bytes != constant.bytes()) return Error(ErrorCode::internal, "a packed weight has no original");
    const std::shared_ptr<void> bytes = memory_for(known.bytes);
    from->placement->undo(from->data.get(), static_cast<std::byte*>(bytes.get()));
    original = Tensor(constant.type(), constant.dims(), bytes, bytes.get());
    log(LogLevel::debug, "a weight is packed anew as {}", name);
  }
  const std::shared_ptr<void> bytes = memory_for(packing.bytes);
  packing.pack(original, static_cast<std::byte*>(bytes.get()));
  const tactic::Packed data(bytes, static_cast<const std::byte*>(bytes.get()));
  known.forms.emplace(name, StoredForm{name, data, packing.bytes, std::nullopt});
  return data;
}

Status ModelPackedStore::provide(const Tensor& constant) {
  const std::lock_guard lock(mutex_);
  const auto at = constants_.find(constant.data());
  if (at == constants_.end() || at->second.present) return {};
  const StoredForm* from = undoable(at->second);
  if (from == nullptr) return Error(ErrorCode::internal, "a packed weight has no original");
  provide_pages(constant.data(), at->second.bytes);
  from->placement->undo(from->data.get(), static_cast<std::byte*>(const_cast<void*>(constant.data())));
  at->second.present = true;
  return {};
}

StoredForm ModelPackedStore::stored(const Tensor& constant, const std::string& form) const {
  const std::lock_guard lock(mutex_);
  const auto at = constants_.find(constant.data());
  if (at == constants_.end()) return {};
  const auto found = at->second.forms.find(form);
  return found == at->second.forms.end() ? StoredForm() : found->second;
}

size_t ModelPackedStore::bytes() const {
  const std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [data, constant] : constants_) {
    for (const auto& [name, form] : constant.forms) total += form.bytes;
  }
  return total;
}

Result<tactic::Packed> PackingRecorder::packed(const Tensor& constant, const tactic::Packing& packing) {
  if (!store_.owns(constant)) return tactic::Packed();
  wanted_[constant.data()].packings.emplace(form_name(constant, packing), packing);
  const std::shared_ptr<void> untouched = allocate_pages(packing.bytes);
  return tactic::Packed(untouched, static_cast<const std::byte*>(untouched.get()));
}

Status PackingRecorder::provide(const Tensor& constant) {
  wanted_[constant.data()].itself = true;
  return store_.provide(constant);
}

const PackingRecorder::Wanted* PackingRecorder::wanted(const Tensor& constant) const {
  const auto at = wanted_.find(constant.data());
  return at == wanted_.end() ? nullptr : &at->second;
}

}  // namespace slipway::engine
