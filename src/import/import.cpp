#include "import/import.hpp"

#include "base/format.hpp"
#include "base/mapped_file.hpp"
#include "import/onnx/onnx.hpp"

namespace slipway::import {

Result<ir::Graph> read(const std::filesystem::path& path, const ImportOptions& options) {
  const FileBytes file = TRY(options.map_files ? map_file(path.string()) : read_file(path.string()));
  std::filesystem::path folder = path.parent_path();
  if (folder.empty()) folder = ".";
  Result<ir::Graph> graph = read({file.bytes(), file.owner(), std::move(folder), true}, options);
  if (!graph) return std::move(graph).error().with(fmt::format("in '{}'", path.string()));
  return graph;
}

Result<ir::Graph> read(const ModelBytes& model, const ImportOptions& options) {
  if (model.bytes.empty()) return Error(ErrorCode::invalid_model, "the model is empty");
  return onnx::read({model.bytes, model.owner, model.folder.string(), options.map_files, model.disposable});
}

}  // namespace slipway::import
