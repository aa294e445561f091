#include "import/onnx/external_data.hpp"

#include "base/format.hpp"

namespace slipway::import::onnx {

Result<const FileBytes*> ExternalFiles::open(std::string_view location) {
  const auto known = files_.find(location);
  if (known != files_.end()) return &known->second;
  if (folder_.empty()) {
    return fail(ErrorCode::invalid_argument,
                "the data lies in the file '{}' beside the model, but the model came from memory; "
                "give the folder of its external data",
                location);
  }
  const File file = TRY(File::open_beneath(folder_, location));
  FileBytes bytes = TRY(map_ ? map_file(file) : read_file(file));
  return &files_.emplace(std::string(location), std::move(bytes)).first->second;
}

Result<ExternalFiles::Bytes> ExternalFiles::at(const ExternalPlace& place, uint64_t bytes) {
  if (place.length && *place.length != bytes) {
    return fail(ErrorCode::invalid_model, "its external data has {} bytes where its type and shape take {}", *place.length,
                bytes);
  }
  const FileBytes* file = TRY(open(place.location));
  if (place.offset > file->size() || bytes > file->size() - place.offset) {
    return fail(ErrorCode::invalid_model,
                "its external data ends at byte {} + {}, but the file '{}' has {} bytes; is it complete?", place.offset, bytes,
                place.location, file->size());
  }
  return Bytes{file->owner(), file->text().substr(place.offset, bytes)};
}

}  // namespace slipway::import::onnx
