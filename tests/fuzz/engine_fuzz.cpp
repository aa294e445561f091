// Engine files: any bytes load or are refused. Header and checksums are made right first, so that what lies behind them is
// reached; of what loads, every weight is recovered, and the graph is planned when it is small.
#include <cstring>
#include <memory>
#include <vector>

#include "engine/checksum.hpp"
#include "engine/engine_file.hpp"
#include "kernels/registry.hpp"

namespace {

using namespace slipway;

constexpr size_t kHeader =
    56;  // engine_file.cpp: magic, version, order, metadata offset, length, checksum, file length, checksum
constexpr int64_t kMostElements = 1 << 12;

/// The input with a header to match; metadata is what the input says, if that is possible, else all behind the header.
std::shared_ptr<std::byte[]> with_header(const uint8_t* data, size_t size) {
  std::shared_ptr<std::byte[]> bytes(new (std::align_val_t(kAlignment)) std::byte[size],
                                     [](std::byte* p) { ::operator delete[](p, std::align_val_t(kAlignment)); });
  std::memcpy(bytes.get(), data, size);
  const auto put = [&](size_t at, uint64_t value) { std::memcpy(bytes.get() + at, &value, sizeof value); };
  const auto get = [&](size_t at) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.get() + at, sizeof value);
    return value;
  };
  std::memcpy(bytes.get(), "SLIPENG\n", 8);
  const uint32_t version = engine::kFormatVersion, order = 0x01020304;
  std::memcpy(bytes.get() + 8, &version, 4);
  std::memcpy(bytes.get() + 12, &order, 4);
  if (get(16) > size || get(24) > size - get(16)) {
    put(16, 64);
    put(24, size - 64);
  }
  put(32, engine::checksum({bytes.get() + get(16), get(24)}));
  put(40, size);
  put(48, engine::checksum({bytes.get(), 48}));
  return bytes;
}

bool small(const ir::Graph& graph) {
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    const ir::Fact& fact = graph.value(v).fact;
    if (!fact.is_static() || fact.dims().count() > kMostElements) return false;
  }
  return graph.live_nodes() < 64;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kHeader + 8) return 0;
  const std::shared_ptr<std::byte[]> bytes = with_header(data, size);
  const FileBytes file(std::shared_ptr<const void>(bytes, bytes.get()), bytes.get(), size, false);
  Result<engine::FileContents> contents = engine::read_engine_file(file, false);
  if (!contents) return 0;
  const ir::Graph& graph = contents->graph;
  engine::ModelPackedStore store(graph, std::move(contents->constants));
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    if (graph.value(v).is_constant() && !store.provide(graph.value(v).constant)) __builtin_trap();
  }
  if (!small(graph)) return 0;
  plan::PlanOptions options;
  options.machine.cpu = cpu_info();
  options.tactic_list = &kernels::all();
  options.store = &store;
  options.made = &contents->choices;
  std::vector<plan::InputDesc> inputs;
  for (const ir::ValueId v : graph.inputs()) inputs.push_back({graph.value(v).fact, {}});
  (void)plan::make(graph, inputs, options);
  return 0;
}
