// Load a model (or an engine), run it by name and by position, with a deadline, on an executor; save it as an engine.
//   example_hello examples/linear.onnx /tmp/linear.slip
#include <cstdio>
#include <slipway/slipway.hpp>
#include <thread>

namespace {

void print(const char* how, const slipway::TensorView& tensor) {
  std::printf("%s:", how);
  for (const float v : tensor.as<float>()) std::printf(" %g", v);
  std::printf("\n");
}

slipway::Status work(const std::string& model, const std::string& saved) {
  auto engine = slipway::Engine::load(model, {.threads = 2});
  if (!engine) return engine.error();
  for (const slipway::Port& port : engine->inputs()) std::printf("input %s: %s\n", port.name.data(), port.text.data());
  for (const auto& [key, value] : engine->metadata()) std::printf("metadata %s: %s\n", key.c_str(), value.c_str());

  auto session = slipway::Session::make(*engine);
  if (!session) return session.error();
  std::vector<float> x = {1, 2, 3, 4};
  const slipway::TensorView input(x, {1, 4});
  auto named = session->run({{"x", input}}, {.timeout = std::chrono::seconds(5)});
  if (!named) return named.error();
  print("by name", named->at("y"));

  std::vector<float> y(3);
  slipway::TensorView output(y, {1, 3});
  if (auto done = session->run_into({&input, 1}, {&output, 1}); !done) return done;
  print("into my memory", output);

  const slipway::Cancellation cancel;
  cancel.request();
  auto none = session->run({&input, 1}, {.cancellation = cancel});
  std::printf("cancelled: %s\n", none ? "no" : none.error().message.c_str());

  std::thread worker;  // an executor is any function that runs a task somewhere
  const slipway::Executor executor = [&](std::function<void()> task) { worker = std::thread(std::move(task)); };
  session->run_async({input}, executor, [](auto result) {
    if (result) print("on another thread", result->front());
  });
  worker.join();

  if (auto written = engine->save(saved); !written) return written;
  auto again = slipway::Engine::load(saved);
  if (!again) return again.error();
  auto second = slipway::Session::make(*again, 1);
  if (!second) return second.error();
  auto outputs = second->run({&input, 1});
  if (!outputs) return outputs.error();
  print("from the engine file", outputs->front());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL ENGINE-TO-WRITE\n", argv[0]);
    return 2;
  }
  const slipway::Status status = work(argv[1], argv[2]);
  if (!status) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status ? 0 : 1;
}
