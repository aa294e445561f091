#include "engine/packed_store.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "base/log.hpp"
#include "base/pages.hpp"
#include "engine/checksum.hpp"

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
    constant.made_at_load = std::move(from.made_at_load);
    constant.place = std::move(from.place);
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

Status ModelPackedStore::recover(const Constant& constant, std::byte* to) {
  for (const auto& [name, form] : constant.forms) {
    if (!form.placement) continue;
    form.placement->undo(form.data.get(), to);
    return {};
  }
  if (constant.place.file == nullptr) return Error(ErrorCode::internal, "a packed weight has no original");
  TRY(constant.place.file->read(constant.place.offset, {to, constant.bytes}));
  if (checksum({to, constant.bytes}) == constant.place.checksum) return {};
  return fail(ErrorCode::io, "'{}' was changed after it was loaded and a weight is wanted from it again; load it anew",
              constant.place.file->path());
}

void ModelPackedStore::release(const void* data, Constant& constant) {
  const auto made = [&](const std::string& name) { return constant.forms.count(name) != 0; };
  if (!constant.present || constant.place.file == nullptr || constant.made_at_load.empty() ||
      !std::all_of(constant.made_at_load.begin(), constant.made_at_load.end(), made)) {
    return;
  }
  release_pages(data, constant.bytes);
  constant.present = false;
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
    const std::shared_ptr<void> bytes = memory_for(known.bytes);
    TRY(recover(known, static_cast<std::byte*>(bytes.get())));
    original = Tensor(constant.type(), constant.dims(), bytes, bytes.get());
    log(LogLevel::debug, "a weight is packed anew as {}", name);
  }
  const std::shared_ptr<void> bytes = memory_for(packing.bytes);
  packing.pack(original, static_cast<std::byte*>(bytes.get()));
  const tactic::Packed data(bytes, static_cast<const std::byte*>(bytes.get()));
  known.forms.emplace(name, StoredForm{name, data, packing.bytes, std::nullopt});
  release(constant.data(), known);
  return data;
}

Status ModelPackedStore::provide(const Tensor& constant) {
  const std::lock_guard lock(mutex_);
  const auto at = constants_.find(constant.data());
  if (at == constants_.end()) return {};
  Constant& known = at->second;
  if (!known.present) {
    provide_pages(constant.data(), known.bytes);
    TRY(recover(known, static_cast<std::byte*>(const_cast<void*>(constant.data()))));
    known.present = true;
  }
  known.made_at_load.clear();  // somebody reads it from now on
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
