#include "serve/repository/folder.hpp"

#include <charconv>
#include <map>
#include <optional>

#include "base/format.hpp"

namespace slipway::serve {
namespace {

namespace fs = std::filesystem;

/// An engine goes before the model that it was built from.
constexpr const char* kSuffixes[] = {".slip", ".onnx"};

std::optional<uint64_t> version_of(const std::string& name) {
  uint64_t number = 0;
  const char* end = name.data() + name.size();
  const auto [stop, fault] = std::from_chars(name.data(), end, number);
  const bool good = fault == std::errc() && stop == end && number != 0 && name.front() != '0';
  return good ? std::optional(number) : std::nullopt;
}

/// The folder's entries; what cannot be read has none.
std::vector<fs::directory_entry> entries_of(const fs::path& folder, std::error_code& failure) {
  std::vector<fs::directory_entry> out;
  for (fs::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) out.push_back(*at);
  return out;
}

FolderEntry newest_version(const fs::path& folder) {
  FolderEntry out{{folder.filename().string(), "", {}}, {}};
  std::error_code failure;
  uint64_t newest = 0;
  for (const fs::directory_entry& entry : entries_of(folder, failure)) {
    const std::optional<uint64_t> version = version_of(entry.path().filename().string());
    if (version && *version > newest && entry.is_directory(failure)) newest = *version;
  }
  if (newest == 0) {
    out.fault = fmt::format("{} has no version: a folder named by a number, such as {}/1", folder.string(), folder.string());
    return out;
  }
  out.file.version = std::to_string(newest);
  const fs::path inside = folder / out.file.version;
  for (const char* suffix : kSuffixes) {
    out.file.path = inside / (std::string("model") + suffix);
    if (fs::is_regular_file(out.file.path, failure)) return out;
  }
  out.fault = fmt::format("{} has neither model.slip nor model.onnx", inside.string());
  return out;
}

std::optional<FolderEntry> model_at(const fs::directory_entry& entry) {
  const fs::path& path = entry.path();
  if (path.filename().string().front() == '.') return std::nullopt;
  std::error_code failure;
  if (entry.is_directory(failure)) return newest_version(path);
  for (const char* suffix : kSuffixes) {
    if (path.extension() == suffix && entry.is_regular_file(failure)) return FolderEntry{{path.stem().string(), "1", path}, {}};
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<FolderEntry>> scan_models(const fs::path& folder) {
  std::error_code failure;
  std::map<std::string, FolderEntry> found;
  for (const fs::directory_entry& entry : entries_of(folder, failure)) {
    std::optional<FolderEntry> model = model_at(entry);
    if (!model) continue;
    const auto [at, fresh] = found.emplace(model->file.name, *model);
    if (!fresh) at->second.fault = fmt::format("{} holds more than one model called '{}'", folder.string(), at->first);
  }
  if (failure) return fail(ErrorCode::io, "cannot read the model repository {}: {}", folder.string(), failure.message());
  std::vector<FolderEntry> out;
  for (auto& [name, entry] : found) out.push_back(std::move(entry));
  return out;
}

}  // namespace slipway::serve
