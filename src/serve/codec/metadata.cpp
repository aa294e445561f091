#include "serve/codec/metadata.hpp"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "base/format.hpp"
#include "serve/codec/json.hpp"

namespace slipway::serve {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& w, std::string_view text) {
  w.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}
void put(Writer& w, const char* key, std::string_view text) {
  w.Key(key);
  put(w, text);
}
void put(Writer& w, const char* key, uint64_t number) {
  w.Key(key);
  w.Uint64(number);
}

template <class F>
std::string object(F&& fill) {
  rapidjson::StringBuffer buffer;
  Writer w(buffer);
  w.StartObject();
  fill(w);
  w.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

void put_extents(Writer& w, const char* key, const TensorSpec& spec) {
  w.Key(key);
  w.StartArray();
  if (spec.shape) {
    for (const int64_t extent : *spec.shape) w.Int64(extent);
  } else {
    w.Int64(-1);
  }
  w.EndArray();
}

void put_tensors(Writer& w, const char* key, const std::vector<TensorSpec>& specs) {
  w.Key(key);
  w.StartArray();
  for (const TensorSpec& spec : specs) {
    w.StartObject();
    put(w, "name", spec.name);
    put(w, "datatype", datatype_name(spec.type));
    put_extents(w, "shape", spec);
    w.EndObject();
  }
  w.EndArray();
}

void put_config_tensors(Writer& w, const char* key, const std::vector<TensorSpec>& specs, bool inputs) {
  w.Key(key);
  w.StartArray();
  for (const TensorSpec& spec : specs) {
    w.StartObject();
    put(w, "name", spec.name);
    put(w, "data_type", config_type_name(spec.type));
    put_extents(w, "dims", spec);
    if (inputs) {
      put(w, "format", "FORMAT_NONE");
      for (const char* flag : {"is_shape_tensor", "allow_ragged_batch", "optional"}) {
        w.Key(flag);
        w.Bool(false);
      }
    } else {
      put(w, "label_filename", "");
      w.Key("is_shape_tensor");
      w.Bool(false);
    }
    w.EndObject();
  }
  w.EndArray();
}

void put_duration(Writer& w, const char* key, const Duration& duration) {
  w.Key(key);
  w.StartObject();
  put(w, "count", duration.count);
  put(w, "ns", duration.ns);
  w.EndObject();
}

void put_statistics(Writer& w, const NamedStatistics& model) {
  const Statistics& s = model.statistics;
  w.StartObject();
  put(w, "name", model.model->name);
  put(w, "version", model.model->version);
  put(w, "last_inference", s.last_inference_ms);
  put(w, "inference_count", s.success.count);
  put(w, "execution_count", s.success.count);
  w.Key("inference_stats");
  w.StartObject();
  put_duration(w, "success", s.success);
  put_duration(w, "fail", s.fail);
  put_duration(w, "queue", s.queue);
  put_duration(w, "compute_input", s.compute_input);
  put_duration(w, "compute_infer", s.compute_infer);
  put_duration(w, "compute_output", s.compute_output);
  put_duration(w, "cache_hit", {});
  put_duration(w, "cache_miss", {});
  w.EndObject();
  w.Key("response_stats");
  w.StartObject();
  w.EndObject();
  w.Key("batch_stats");
  w.StartArray();
  if (s.success.count != 0) {
    w.StartObject();
    put(w, "batch_size", 1);
    put_duration(w, "compute_input", s.compute_input);
    put_duration(w, "compute_infer", s.compute_infer);
    put_duration(w, "compute_output", s.compute_output);
    w.EndObject();
  }
  w.EndArray();
  w.Key("memory_usage");
  w.StartArray();
  w.EndArray();
  w.EndObject();
}

}  // namespace

std::string render_server(std::string_view version) {
  return object([&](Writer& w) {
    put(w, "name", "slipway");
    put(w, "version", version);
    w.Key("extensions");
    w.StartArray();
    for (const char* name :
         {"classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters", "statistics"})
      put(w, name);
    w.EndArray();
  });
}

std::string render_model(const ModelSpec& model) {
  return object([&](Writer& w) {
    put(w, "name", model.name);
    w.Key("versions");
    w.StartArray();
    put(w, model.version);
    w.EndArray();
    put(w, "platform", "slipway");
    put_tensors(w, "inputs", model.inputs);
    put_tensors(w, "outputs", model.outputs);
  });
}

std::string render_config(const ModelSpec& model, int sessions) {
  return object([&](Writer& w) {
    put(w, "name", model.name);
    put(w, "platform", "slipway");
    put(w, "backend", "slipway");
    put(w, "runtime", "");
    w.Key("version_policy");
    w.StartObject();
    w.Key("latest");
    w.StartObject();
    put(w, "num_versions", uint64_t{1});
    w.EndObject();
    w.EndObject();
    put(w, "max_batch_size", uint64_t{0});
    put_config_tensors(w, "input", model.inputs, true);
    put_config_tensors(w, "output", model.outputs, false);
    w.Key("instance_group");
    w.StartArray();
    w.StartObject();
    put(w, "name", model.name);
    put(w, "kind", "KIND_CPU");
    put(w, "count", static_cast<uint64_t>(sessions));
    w.EndObject();
    w.EndArray();
    put(w, "default_model_filename", "");
    w.Key("parameters");
    w.StartObject();
    w.EndObject();
  });
}

std::string render_statistics(std::span<const NamedStatistics> models) {
  return object([&](Writer& w) {
    w.Key("model_stats");
    w.StartArray();
    for (const NamedStatistics& model : models) put_statistics(w, model);
    w.EndArray();
  });
}

std::string render_index(std::span<const IndexLine> models) {
  rapidjson::StringBuffer buffer;
  Writer w(buffer);
  w.StartArray();
  for (const IndexLine& entry : models) {
    w.StartObject();
    put(w, "name", entry.name);
    put(w, "version", entry.version);
    put(w, "state", entry.state);
    put(w, "reason", entry.reason);
    w.EndObject();
  }
  w.EndArray();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string render_ready(std::string_view model) {
  return object([&](Writer& w) {
    put(w, "name", model);
    w.Key("ready");
    w.Bool(true);
  });
}

std::string render_error(std::string_view text) {
  return object([&](Writer& w) { put(w, "error", text); });
}

Result<bool> parse_index_request(std::string_view body) {
  if (body.empty()) return false;
  const rapidjson::Document document = TRY(parse_json(body));
  if (document.IsObject() && !document.HasMember("ready")) return false;
  if (document.IsObject() && document["ready"].IsBool()) return document["ready"].GetBool();
  return Error(ErrorCode::invalid_argument, "the body must be empty or an object like {\"ready\": true}");
}

Status check_control_request(std::string_view body) {
  if (body.empty()) return {};
  const rapidjson::Document document = TRY(parse_json(body));
  if (!document.IsObject()) return Error(ErrorCode::invalid_argument, "the body must be empty or an object");
  if (!document.HasMember("parameters")) return {};
  const rapidjson::Value& parameters = document["parameters"];
  if (!parameters.IsObject()) return Error(ErrorCode::invalid_argument, "\"parameters\" must be an object");
  for (const auto& entry : parameters.GetObject()) {
    const std::string_view key(entry.name.GetString(), entry.name.GetStringLength());
    if (key == "config" || key.substr(0, 5) == "file:") {
      return fail(ErrorCode::unsupported, "parameter '{}': a model is loaded as it lies in the model repository", key);
    }
  }
  return {};
}

}  // namespace slipway::serve
