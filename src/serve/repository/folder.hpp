// A folder of models, laid out as Triton's: NAME/VERSION/model.onnx or model.slip, or plain NAME.onnx and NAME.slip.
#pragma once

#include <filesystem>
#include <vector>

#include "base/error.hpp"
#include "serve/repository/model.hpp"

namespace slipway::serve {

struct FolderEntry {
  ModelFile file;
  std::string fault;  ///< why it cannot be served; empty: nothing against it
};

/// What lies there now, by name. Of the versions of a model (folders named by a number) the highest counts. Hidden names and
/// whatever looks like no model are passed over. io error when the folder cannot be read.
Result<std::vector<FolderEntry>> scan_models(const std::filesystem::path& folder);

}  // namespace slipway::serve
