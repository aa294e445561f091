// The JSON of everything but inference: server and model metadata, configuration, statistics, repository index, errors.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "serve/codec/infer.hpp"
#include "serve/schedule/statistics.hpp"

namespace slipway::serve {

std::string render_server(std::string_view version);
std::string render_model(const ModelSpec& model);
std::string render_config(const ModelSpec& model, int sessions);
struct NamedStatistics {
  const ModelSpec* model;
  Statistics statistics;
};
std::string render_statistics(std::span<const NamedStatistics> models);
struct IndexLine {
  std::string_view name, version, state, reason;  ///< state: "READY", "LOADING", "UNAVAILABLE"
};
std::string render_index(std::span<const IndexLine> models);
std::string render_ready(std::string_view model);
std::string render_error(std::string_view text);
/// The body of an index request: empty, or an object. True when its "ready" asks for ready models only.
Result<bool> parse_index_request(std::string_view body);
/// The body of a request to load or unload: empty, or an object without what this server does not do. unsupported when it brings
/// a configuration or files of its own.
Status check_control_request(std::string_view body);

}  // namespace slipway::serve
