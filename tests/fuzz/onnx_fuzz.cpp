// The ONNX importer on any bytes, and the test layout's value files on the same.
#include <cstddef>
#include <cstdint>

#include "import/import.hpp"
#include "import/onnx/tensor_proto.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace slipway;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const std::shared_ptr<const void> owner(data, [](const void*) {});
  Result<ir::Graph> graph = import::read({bytes, owner, {}});
  if (graph) (void)ir::verify(*graph);

  const FileBytes file(owner, bytes.data(), bytes.size(), false);
  const ir::Fact tensor = ir::Fact::tensor(ElementType::f32);
  (void)import::onnx::read_value(file, tensor);
  (void)import::onnx::read_value(file, ir::Fact::sequence(tensor));
  (void)import::onnx::read_value(file, ir::Fact::map(ElementType::i64, tensor));
  return 0;
}
