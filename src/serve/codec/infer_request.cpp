// parse_infer: from the bytes of a request to checked tensors.
#include <cstring>

#include "base/format.hpp"
#include "serve/codec/infer.hpp"
#include "serve/codec/json.hpp"

namespace slipway::serve {
namespace {

using Json = rapidjson::Value;

constexpr int64_t kMaxExtent = static_cast<int64_t>(kMaxBodyBytes);

std::string_view text_of(const Json& v) {
  return {v.GetString(), v.GetStringLength()};
}

const Json* member(const Json& object, const char* name) {
  const auto found = object.FindMember(name);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

template <class... Args>
Error wrong(fmt::format_string<Args...> text, Args&&... args) {
  return fail(ErrorCode::invalid_argument, text, std::forward<Args>(args)...);
}

std::string names_of(const std::vector<TensorSpec>& specs) {
  std::string out;
  for (const TensorSpec& s : specs) out += (out.empty() ? "'" : ", '") + s.name + "'";
  return out.empty() ? "none" : out;
}

Result<std::string_view> name_of(const Json& tensor, const char* what) {
  const Json* name = tensor.IsObject() ? member(tensor, "name") : nullptr;
  if (name == nullptr || !name->IsString()) return wrong("each of \"{}\" must be an object with a string \"name\"", what);
  return text_of(*name);
}

Result<size_t> index_of(std::string_view name, const std::vector<TensorSpec>& specs, const ModelSpec& model, const char* what) {
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].name == name) return i;
  }
  return wrong("model '{}' has no {} '{}'; it has {}", model.name, what, name, names_of(specs));
}

/// The "parameters" object of a request, input or output, or null.
Result<const Json*> parameters_of(const Json& object, const std::string& where) {
  const Json* parameters = member(object, "parameters");
  if (parameters == nullptr) return parameters;
  if (!parameters->IsObject()) return wrong("\"parameters\" of {} must be an object", where);
  for (const auto& entry : parameters->GetObject()) {
    const std::string_view key = text_of(entry.name);
    if (key.substr(0, 7) == "triton_")
      return wrong("parameter '{}' of {}: names that start with triton_ are reserved", key, where);
    if (key.substr(0, 14) == "shared_memory_") {
      return fail(ErrorCode::unsupported, "{} names shared memory, which this server does not offer; send the tensor itself",
                  where);
    }
  }
  return parameters;
}

Result<bool> flag(const Json* parameters, const char* name, bool otherwise, const std::string& where) {
  const Json* v = parameters == nullptr ? nullptr : member(*parameters, name);
  if (v == nullptr) return otherwise;
  if (!v->IsBool()) return wrong("parameter '{}' of {} must be true or false", name, where);
  return v->GetBool();
}

Result<Dims> dims_of(const std::vector<int64_t>& extents, const TensorSpec& spec) {
  const std::string shape = extents_text(extents);
  if (extents.size() > static_cast<size_t>(kMaxRank))
    return wrong("input '{}' has rank {}, at most {} is allowed", spec.name, extents.size(), kMaxRank);
  bool fits = !spec.shape || spec.shape->size() == extents.size();
  for (size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] < 0 || extents[i] > kMaxExtent) return wrong("input '{}' has the impossible shape {}", spec.name, shape);
    fits = fits && (!spec.shape || (*spec.shape)[i] == -1 || (*spec.shape)[i] == extents[i]);
  }
  if (!fits) return wrong("input '{}' has shape {}, the model expects {}", spec.name, shape, shape_text(spec.shape));
  if (checked_count(extents, kMaxExtent) < 0)
    return wrong("input '{}' of shape {} has more than {} elements", spec.name, shape, kMaxExtent);
  return Dims(std::span<const int64_t>(extents));
}

Result<Dims> shape_of(const Json& input, const TensorSpec& spec) {
  const Json* shape = member(input, "shape");
  if (shape == nullptr || !shape->IsArray())
    return wrong("input '{}' needs a \"shape\": an array of integers, {} expected", spec.name, shape_text(spec.shape));
  std::vector<int64_t> extents;
  for (const Json& extent : shape->GetArray()) {
    if (!extent.IsInt64()) return wrong("\"shape\" of input '{}' must hold integers only", spec.name);
    extents.push_back(extent.GetInt64());
  }
  return dims_of(extents, spec);
}

/// Counts a tensor before it is made.
Status reserve(MemoryLease* memory, ElementType type, const Dims& dims, size_t text_bytes) {
  if (memory == nullptr) return {};
  const auto count = static_cast<size_t>(dims.count());
  return memory->grow(type == ElementType::string ? count * sizeof(std::string) + text_bytes : byte_size(type, dims.count()));
}

/// Elements as a 4-byte little-endian length and the bytes, one after the other.
Result<Tensor> read_strings(std::string_view bytes, const Dims& dims, const TensorSpec& spec, MemoryLease* memory) {
  if (static_cast<uint64_t>(dims.count()) > bytes.size() / 4) {
    return wrong("input '{}': {} bytes cannot hold {} BYTES elements", spec.name, bytes.size(), dims.count());
  }
  TRY(reserve(memory, spec.type, dims, bytes.size()));
  Tensor out(ElementType::string, dims);
  size_t at = 0;
  for (int64_t i = 0; i < dims.count(); ++i) {
    uint32_t length = 0;
    if (bytes.size() - at < 4) return wrong("input '{}' ends within the length of BYTES element {}", spec.name, i);
    std::memcpy(&length, bytes.data() + at, 4);
    at += 4;
    if (bytes.size() - at < length)
      return wrong("input '{}' ends within BYTES element {}, which claims {} bytes", spec.name, i, length);
    out.as<std::string>()[i].assign(bytes.data() + at, length);
    at += length;
  }
  if (at != bytes.size())
    return wrong("input '{}' has {} bytes after its {} BYTES elements", spec.name, bytes.size() - at, dims.count());
  return out;
}

Result<Tensor> read_binary(std::string_view bytes, const Dims& dims, const TensorSpec& spec, MemoryLease* memory) {
  if (spec.type == ElementType::string) return read_strings(bytes, dims, spec, memory);
  const size_t expected = byte_size(spec.type, dims.count());
  if (bytes.size() != expected) {
    return wrong("input '{}' has {} bytes, {} of shape {} needs {}", spec.name, bytes.size(), datatype_name(spec.type),
                 extents_text(std::span(dims.begin(), dims.end())), expected);
  }
  TRY(reserve(memory, spec.type, dims, 0));
  const std::shared_ptr<void> storage = allocate(expected, false);
  Tensor out(spec.type, dims, storage, storage.get());
  if (expected != 0) std::memcpy(out.data(), bytes.data(), expected);
  if (spec.type == ElementType::boolean) {
    for (auto& byte : std::span(out.as<uint8_t>(), expected)) byte = byte != 0 ? 1 : 0;
  }
  return out;
}

Result<Tensor> read_json(const std::optional<DataArray>& data, const Dims& dims, const TensorSpec& spec, MemoryLease* memory) {
  if (!data) return wrong("input '{}' needs \"data\" (an array) or the parameter binary_data_size", spec.name);
  if (data->count != dims.count()) {
    return wrong("input '{}' has {} elements in \"data\", shape {} needs {}", spec.name, data->count,
                 extents_text(std::span(dims.begin(), dims.end())), dims.count());
  }
  TRY(reserve(memory, spec.type, dims, data->text.size()));
  Tensor out(spec.type, dims);
  Status read = read_data(*data, out);
  if (!read) return wrong("input '{}': {}", spec.name, read.error().message);
  return out;
}

class Parser {
 public:
  Parser(const ModelSpec& model, std::string_view binary, MemoryLease* memory)
      : model_(model), binary_(binary), memory_(memory) {}

  Result<InferRequest> parse(const InferJson& json) {
    const Json& root = json.document;
    if (!root.IsObject()) return wrong("the request must be a JSON object with \"inputs\"");
    if (const Json* id = member(root, "id")) {
      if (!id->IsString()) return wrong("\"id\" must be a string");
      out_.id = text_of(*id);
    }
    const Json* parameters = TRY(parameters_of(root, "the request"));
    if (const Json* timeout = parameters == nullptr ? nullptr : member(*parameters, "timeout")) {
      if (!timeout->IsUint64()) return wrong("parameter 'timeout' must be a number of microseconds");
      constexpr uint64_t kDay = 86'400'000'000;
      if (timeout->GetUint64() != 0) out_.timeout = std::chrono::microseconds(std::min(timeout->GetUint64(), kDay));
    }
    TRY(read_inputs(root, json.data));
    TRY(read_outputs(root, TRY(flag(parameters, "binary_data_output", false, "the request"))));
    return std::move(out_);
  }

 private:
  Status read_inputs(const Json& root, const std::vector<std::optional<DataArray>>& data) {
    const Json* inputs = member(root, "inputs");
    if (inputs == nullptr || !inputs->IsArray())
      return wrong("the request needs \"inputs\": an array with {}", names_of(model_.inputs));
    out_.inputs.resize(model_.inputs.size());
    for (rapidjson::SizeType i = 0; i < inputs->Size(); ++i) {
      const Json& input = (*inputs)[i];
      const std::string_view name = TRY(name_of(input, "inputs"));
      const size_t index = TRY(index_of(name, model_.inputs, model_, "input"));
      if (out_.inputs[index].has_value()) return wrong("input '{}' is given twice", name);
      out_.inputs[index] = TRY(read_input(input, data[i], model_.inputs[index]));
    }
    for (size_t i = 0; i < model_.inputs.size(); ++i) {
      if (!out_.inputs[i].has_value()) {
        return wrong("input '{}' ({} {}) is missing; model '{}' needs {}", model_.inputs[i].name,
                     datatype_name(model_.inputs[i].type), shape_text(model_.inputs[i].shape), model_.name,
                     names_of(model_.inputs));
      }
    }
    if (!binary_.empty())
      return wrong("{} bytes follow the last tensor; the sum of binary_data_size must be the rest of the body", binary_.size());
    return {};
  }

  Result<Tensor> read_input(const Json& input, const std::optional<DataArray>& data, const TensorSpec& spec) {
    const Json* type = member(input, "datatype");
    if (type == nullptr || !type->IsString() || text_of(*type) != datatype_name(spec.type)) {
      return wrong("input '{}' has datatype {}, the model expects {}", spec.name,
                   type != nullptr && type->IsString() ? text_of(*type) : "missing", datatype_name(spec.type));
    }
    const Dims dims = TRY(shape_of(input, spec));
    const Json* parameters = TRY(parameters_of(input, "input '" + spec.name + "'"));
    const Json* size = parameters == nullptr ? nullptr : member(*parameters, "binary_data_size");
    if (size == nullptr) return read_json(data, dims, spec, memory_);
    if (data || member(input, "data") != nullptr)
      return wrong("input '{}' has both \"data\" and binary_data_size; give one", spec.name);
    if (!size->IsUint64()) return wrong("binary_data_size of input '{}' must be a number of bytes", spec.name);
    if (size->GetUint64() > binary_.size()) {
      return wrong("input '{}' claims {} bytes behind the JSON, {} are left; is Inference-Header-Content-Length right?",
                   spec.name, size->GetUint64(), binary_.size());
    }
    const std::string_view bytes = binary_.substr(0, size->GetUint64());
    binary_.remove_prefix(bytes.size());
    return read_binary(bytes, dims, spec, memory_);
  }

  Status read_outputs(const Json& root, bool binary) {
    const Json* outputs = member(root, "outputs");
    if (outputs == nullptr || (outputs->IsArray() && outputs->Empty())) {
      for (size_t i = 0; i < model_.outputs.size(); ++i) out_.outputs.push_back({i, binary, 0});
      return {};
    }
    if (!outputs->IsArray()) return wrong("\"outputs\" must be an array; the model has {}", names_of(model_.outputs));
    std::vector<bool> seen(model_.outputs.size());
    for (const Json& output : outputs->GetArray()) {
      const std::string_view name = TRY(name_of(output, "outputs"));
      RequestedOutput wanted;
      wanted.index = TRY(index_of(name, model_.outputs, model_, "output"));
      if (seen[wanted.index]) return wrong("output '{}' is asked for twice", name);
      seen[wanted.index] = true;
      const std::string where = fmt::format("output '{}'", name);
      const Json* parameters = TRY(parameters_of(output, where));
      wanted.binary = TRY(flag(parameters, "binary_data", binary, where));
      if (const Json* classes = parameters == nullptr ? nullptr : member(*parameters, "classification")) {
        if (!classes->IsInt64() || classes->GetInt64() < 0)
          return wrong("parameter 'classification' of {} must be a count of classes", where);
        wanted.classes = classes->GetInt64();
      }
      if (wanted.classes > 0 && model_.outputs[wanted.index].type == ElementType::string)
        return wrong("{} is text and cannot be classified", where);
      out_.outputs.push_back(wanted);
    }
    return {};
  }

  const ModelSpec& model_;
  std::string_view binary_;
  MemoryLease* memory_;
  InferRequest out_;
};

/// A body that is one bare tensor: the shape comes from the model, its one open extent from the size.
Result<InferRequest> parse_bare(std::string_view body, const ModelSpec& model, MemoryLease* memory) {
  if (model.inputs.size() != 1)
    return wrong("a bare tensor suits a model with one input; '{}' has {}", model.name, model.inputs.size());
  const TensorSpec& spec = model.inputs[0];
  if (!spec.shape) return wrong("input '{}' has no fixed rank; send JSON with its shape", spec.name);
  std::vector<int64_t> extents = *spec.shape;
  int64_t row = spec.type == ElementType::string ? 0 : bits(spec.type) / 8, open = -1;
  for (size_t i = 0; i < extents.size(); ++i) {
    if (extents[i] != -1) {
      if (__builtin_mul_overflow(row, extents[i], &row))
        return wrong("input '{}' of shape {} is too large", spec.name, shape_text(spec.shape));
    } else if (open == -1) {
      open = static_cast<int64_t>(i);
    } else {
      return wrong("input '{}' has shape {}; a bare tensor allows one open extent", spec.name, shape_text(spec.shape));
    }
  }
  if (open != -1) {
    extents[static_cast<size_t>(open)] = row == 0 ? 1 : static_cast<int64_t>(body.size()) / row;
  }
  InferRequest out;
  out.inputs.emplace_back(TRY(read_binary(body, TRY(dims_of(extents, spec)), spec, memory)));
  for (size_t i = 0; i < model.outputs.size(); ++i) out.outputs.push_back({i, true, 0});
  return out;
}

}  // namespace

Result<InferRequest> parse_infer(std::string_view body, std::optional<size_t> json_bytes, const ModelSpec& model,
                                 MemoryLease* memory) {
  if (json_bytes && *json_bytes == 0) return parse_bare(body, model, memory);
  if (json_bytes && *json_bytes > body.size()) {
    return wrong("Inference-Header-Content-Length is {}, the body has only {} bytes", *json_bytes, body.size());
  }
  const size_t json = json_bytes.value_or(body.size());
  const InferJson parsed = TRY(parse_infer_json(body.substr(0, json)));
  return Parser(model, body.substr(json), memory).parse(parsed);
}

}  // namespace slipway::serve
