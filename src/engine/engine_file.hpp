// The engine file: an optimised Graph, its weights packed for a machine, and what was chosen for it.
//
//   bytes 0..63      header: magic "SLIPENG\n", format version, byte-order mark, metadata offset, length and checksum, file
//   length sections         weights, each at a multiple of 64 with 64-bit offset, length and checksum metadata         a
//   FlatBuffer (engine.fbs), last: its length depends on what packing found
//
// A weight that is wanted packed only, in a form that can be undone (placement.hpp), is stored in that form alone; forms that
// cannot be undone (Winograd transforms, also several times as large) are made from the original at load. No machine code:
// kernels are built anew. The same graph and options give the same bytes.
#pragma once

#include <filesystem>

#include "base/cpu.hpp"
#include "base/mapped_file.hpp"
#include "engine/packed_store.hpp"
#include "ir/graph.hpp"
#include "plan/plan.hpp"

namespace slipway::engine {

constexpr uint32_t kFormatVersion = 2;
/// Constants of at least this many bytes lie in sections, smaller ones in the metadata.
constexpr size_t kConstantBytes = plan::PackedStore::kReadableBytes;

struct FileInfo {
  std::string slipway_version;
  Isa isa = Isa::portable;  ///< that the weights are packed for
  bool deterministic = true;
  size_t metadata_bytes = 0, sections = 0;
  size_t original_bytes = 0, packed_bytes = 0;  ///< of the sections
};

struct FileContents {
  ir::Graph graph;
  std::vector<StoredConstant> constants;  ///< of the graph, in views of the file's bytes
  plan::Choices choices;
  FileInfo info;
};

/// True when the bytes begin like an engine file (of any version).
bool is_engine_file(std::span<const std::byte> head);

/// What goes into a file beside the graph.
struct FileSource {
  ModelPackedStore& store;          ///< of the graph
  const PackingRecorder& recorder;  ///< what the plans want packed
  const std::vector<plan::Choice>& choices;
  const FileInfo& info;
};

/// Writes to `path` through a temporary file beside it, so that a reader never sees half of one. One weight at a time is packed.
/// Errors: io (disk full, ...).
Status write_engine_file(const std::filesystem::path& path, const ir::Graph& graph, const FileSource& source);

/// Checks header, metadata and its checksum, every offset and length; `verify_weights` also every section's checksum. Errors:
/// invalid_model (truncated, damaged, not an engine), unsupported (another version). With the open `file` that the bytes were
/// read from, weights that are packed at load leave memory then.
Result<FileContents> read_engine_file(const FileBytes& bytes, bool verify_weights,
                                      const std::shared_ptr<const File>& file = nullptr);

}  // namespace slipway::engine
