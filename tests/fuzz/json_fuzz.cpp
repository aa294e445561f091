// The body of an inference request: any bytes parse or are refused within the limits. What was parsed is what the model
// declares, and a reply that carries it reads back as the same.
//   byte 0  which model; byte 1  what the header says: 'b' the JSON ends at the last brace, 'r' a bare tensor, 'z' compressed,
//   'x' more than there is, else no header; the rest is the body
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "serve/codec/compress.hpp"
#include "serve/codec/infer.hpp"

namespace {

using namespace slipway;
using namespace slipway::serve;

void require(bool good, const char* what, std::string_view text = "") {
  if (good) return;
  std::fprintf(stderr, "%s:\n%.*s\n", what, static_cast<int>(text.size()), text.data());
  std::abort();
}

/// Inputs and outputs of the same names, so that a reply can be asked again.
ModelSpec model_of(uint8_t choice) {
  using E = ElementType;
  constexpr E kTypes[] = {E::f32, E::boolean, E::string, E::f16, E::i64, E::u8, E::f64, E::bf16, E::u64, E::i32};
  using Shape = std::vector<int64_t>;
  std::vector<TensorSpec> tensors = {{"x", kTypes[choice % std::size(kTypes)], std::nullopt}};
  if (choice % 3 == 0) tensors[0].shape = Shape{-1, 2};
  if (choice % 4 == 1) tensors.push_back({"y", E::string, Shape{-1}});
  if (choice % 5 == 2) tensors.push_back({"z", E::f32, Shape{2}});
  return {"m", "1", tensors, tensors};
}

bool declared(const Tensor& tensor, const TensorSpec& spec) {
  if (tensor.type() != spec.type) return false;
  if (!spec.shape) return true;
  bool fits = static_cast<size_t>(tensor.dims().rank()) == spec.shape->size();
  for (size_t i = 0; fits && i < spec.shape->size(); ++i) {
    fits = (*spec.shape)[i] == -1 || (*spec.shape)[i] == tensor.dims()[static_cast<int>(i)];
  }
  return fits;
}

/// A reply in which "inputs" stands for "outputs" is a request.
void check_round_trip(const InferRequest& request, const ModelSpec& model) {
  const Result<InferReply> reply = render_infer(request, model, request.inputs);
  if (!reply) return require(reply.error().code == ErrorCode::invalid_argument, "no reply", reply.error().text());
  bool whole = request.outputs.size() == model.outputs.size();
  for (const RequestedOutput& output : request.outputs) whole = whole && output.classes == 0;
  if (!whole) return;
  std::string body = reply->body;
  constexpr std::string_view kFrom = ",\"outputs\":[{", kTo = ",\"inputs\":[{";
  const size_t at = body.find(kFrom);
  require(at != std::string::npos, "a reply without outputs", body);
  body.replace(at, kFrom.size(), kTo);
  std::optional<size_t> json_bytes = reply->json_bytes;
  if (json_bytes) *json_bytes -= kFrom.size() - kTo.size();
  Result<InferRequest> again = parse_infer(body, json_bytes, model);
  require(again.has_value(), "a reply does not read back", again ? "" : again.error().text() + "\n" + body);
  again->id = request.id;
  again->outputs = request.outputs;
  const Result<InferReply> second = render_infer(*again, model, again->inputs);
  require(second.has_value() && second->body == reply->body, "a reply reads back as another", reply->body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const ModelSpec model = model_of(data[0]);
  std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::string plain;
  std::optional<size_t> json_bytes;
  switch (data[1]) {
    case 'b':
      json_bytes = body.rfind('}') + 1;
      break;
    case 'r':
      json_bytes = 0;
      break;
    case 'x':
      json_bytes = size;
      break;
    case 'z': {
      constexpr size_t kMost = size_t{1} << 20;
      Result<std::string> unpacked = decompress(body, data[0] % 2 == 0 ? Encoding::gzip : Encoding::deflate, kMost);
      if (!unpacked) return 0;
      plain = std::move(unpacked).value();
      require(plain.size() <= kMost, "decompressed past the limit");
      body = plain;
      break;
    }
    default:
      break;
  }
  const Result<InferRequest> request = parse_infer(body, json_bytes, model);
  if (!request) {
    require(!request.error().message.empty(), "a refusal without a sentence");
    return 0;
  }
  require(request->inputs.size() == model.inputs.size(), "not one value for each input");
  for (size_t i = 0; i < request->inputs.size(); ++i) {
    const Tensor* tensor = request->inputs[i].tensor();
    require(tensor != nullptr && declared(*tensor, model.inputs[i]), "an input that the model does not declare");
    require(tensor->count() <= static_cast<int64_t>(body.size()), "more elements than bytes");
  }
  check_round_trip(*request, model);
  return 0;
}
