// The engine file: an optimised Graph and its weights, opened without parsing weights.
//
//   bytes 0..63      header: magic "SLIPENG\n", format version, byte-order mark, metadata offset, length and checksum
//   metadata         a FlatBuffer (engine.fbs)
//   sections         weights, each at a multiple of 4096 with 64-bit offset, length and checksum
//
// No machine code: kernels are built anew at load. The same graph and options give the same bytes.
#pragma once

#include <filesystem>

#include "base/cpu.hpp"
#include "base/mapped_file.hpp"
#include "ir/graph.hpp"

namespace slipway::engine {

constexpr uint32_t kFormatVersion = 1;
/// Constants of at least this many bytes get a section of their own.
constexpr size_t kSectionBytes = 4096;

struct FileInfo {
  std::string slipway_version;
  Isa isa = Isa::portable;  ///< of the build
  bool deterministic = true;
  size_t metadata_bytes = 0, sections = 0, section_bytes = 0;
};

/// True when the bytes begin like an engine file (of any version).
bool is_engine_file(std::span<const std::byte> head);

/// Writes to `path` through a temporary file beside it, so that a reader never sees half of one. Errors: io (disk full, ...).
Status write_engine_file(const std::filesystem::path& path, const ir::Graph& graph, const FileInfo& info);

/// Checks header, metadata and its checksum, every offset and length; `verify_weights` also every section's checksum. Weights are
/// views of `file`. Errors: invalid_model (truncated, damaged, not an engine), unsupported (a newer version).
Result<ir::Graph> read_engine_file(const FileBytes& file, bool verify_weights, FileInfo* info = nullptr);

}  // namespace slipway::engine
