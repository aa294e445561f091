// The public API as a program sees it, through slipway.hpp.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <iterator>
#include <slipway/slipway.hpp>
#include <thread>

namespace {

using slipway::Engine;
using slipway::Session;
using slipway::TensorView;

// relu(x * W + b), f32[batch,4] -> f32[batch,3]
const std::string kLinear = SLIPWAY_TEST_DATA "/../examples/linear.onnx";
const std::vector<float> kX = {1, 2, 3, 4}, kY = {5.5, 7.5, 9.5};
// b = Identity(a), string[n]
constexpr char kStrings[] =
    "\010\010:9\012\020\012\001a\022\001b\042\010Identity\022\001gZ\020\012\001a\022\013\012\011\010\010\022\005\012\003\022\001n"
    "b\020\012\001b\022\013\012\011\010\010\022\005\012\003\022\001nB\004\012\000\020\021";

std::vector<std::byte> bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> chars{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::byte> out(chars.size());
  std::memcpy(out.data(), chars.data(), chars.size());
  return out;
}

Engine linear(const slipway::Options& options = {}) {
  auto engine = Engine::load(kLinear, options);
  if (!engine) throw std::runtime_error(engine.error().message);
  return *engine;
}

Session session_of(const Engine& engine) {
  return Session::make(engine, 1).value();
}

std::vector<float> floats(const TensorView& tensor) {
  return {tensor.as<float>().begin(), tensor.as<float>().end()};
}

TEST(Api, TellsWhatTheModelTakes) {
  const Engine engine = linear();
  const auto inputs = engine.inputs(), outputs = engine.outputs();
  ASSERT_EQ(inputs.size(), 1U);
  EXPECT_EQ(inputs[0].name, "x");
  EXPECT_EQ(inputs[0].text, "f32[batch,4]");
  EXPECT_EQ(inputs[0].type, SLIPWAY_F32);
  ASSERT_EQ(inputs[0].dims.size(), 2U);
  EXPECT_EQ(inputs[0].dims[0], -1);
  EXPECT_EQ(inputs[0].dims[1], 4);
  EXPECT_EQ(outputs[0].name, "y");
  EXPECT_EQ(engine.find_output("y"), 0);
  EXPECT_EQ(engine.find_input("y"), -1);
  EXPECT_EQ(engine.metadata("labels"), "low,middle,high");
  EXPECT_EQ(engine.metadata("none"), std::nullopt);
}

TEST(Api, OneSessionTakesAnyBatch) {
  Session session = session_of(linear());
  for (const int64_t batch : {1, 5, 2}) {
    std::vector<float> x, want;
    for (int64_t i = 0; i < batch; ++i) {
      x.insert(x.end(), kX.begin(), kX.end());
      want.insert(want.end(), kY.begin(), kY.end());
    }
    const TensorView input(x, {batch, 4});
    const auto outputs = session.run({&input, 1});
    ASSERT_TRUE(outputs) << outputs.error().message;
    EXPECT_EQ(outputs->front().dims()[0], batch);
    EXPECT_EQ(floats(outputs->front()), want);
  }
}

TEST(Api, OutputsGoIntoTheCallersMemory) {
  Session session = session_of(linear());
  const TensorView input(kX, {1, 4});
  std::vector<float> exact(3), larger(7, -1.0F), smaller(2);
  TensorView output(exact, {1, 3});
  ASSERT_TRUE(session.run_into({&input, 1}, {&output, 1}));
  EXPECT_EQ(output.data(), exact.data());
  EXPECT_EQ(exact, kY);

  output = TensorView(larger, {7});
  ASSERT_TRUE(session.run_into({&input, 1}, {&output, 1}));
  EXPECT_EQ(output.data(), larger.data());
  EXPECT_EQ(floats(output), kY);
  EXPECT_EQ(larger[3], -1.0F);

  output = TensorView(smaller, {2});
  const auto status = session.run_into({&input, 1}, {&output, 1});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, SLIPWAY_LIMIT);
}

TEST(Api, InputsOffTheirAlignmentAreRead) {
  Session session = session_of(linear());
  std::vector<char> shifted(1 + 4 * sizeof(float));
  std::memcpy(shifted.data() + 1, kX.data(), 4 * sizeof(float));
  const int64_t dims[] = {1, 4};
  const TensorView input(shifted.data() + 1, 4 * sizeof(float), SLIPWAY_F32, dims);
  const auto outputs = session.run({&input, 1});
  ASSERT_TRUE(outputs) << outputs.error().message;
  EXPECT_EQ(floats(outputs->front()), kY);
}

TEST(Api, WrongInputsAreRefusedInWords) {
  Session session = session_of(linear());
  const std::vector<int32_t> integers(4);
  const struct {
    TensorView input;
    const char* says;
  } cases[] = {
      {TensorView(kX, {4, 1}), "expects f32[batch,4]"},   {TensorView(integers, {1, 4}), "expects f32[batch,4]"},
      {TensorView(kX, {2, 4}), "takes 32 bytes"},         {TensorView(kX, {-1, 4}), "cannot be"},
      {TensorView(kX, {1LL << 40, 1LL << 40}), "cannot"}, {TensorView(), "element type"},
  };
  for (const auto& c : cases) {
    const auto outputs = session.run({&c.input, 1});
    ASSERT_FALSE(outputs) << c.says;
    EXPECT_EQ(outputs.error().code, SLIPWAY_INVALID_ARGUMENT);
    EXPECT_NE(outputs.error().message.find(c.says), std::string::npos) << outputs.error().message;
  }
  EXPECT_EQ(session.run(std::span<const TensorView>()).error().code, SLIPWAY_INVALID_ARGUMENT);
  EXPECT_EQ(session.run({{"z", TensorView(kX, {1, 4})}}).error().code, SLIPWAY_NOT_FOUND);
  EXPECT_EQ(session.run(slipway::NamedTensors()).error().message, "the input 'x' is missing");
}

TEST(Api, ModelsAndEnginesFromMemory) {
  const std::string saved = testing::TempDir() + "api_linear.slip";
  ASSERT_TRUE(linear().save(saved));
  for (const std::string& path : {kLinear, saved}) {
    auto bytes = std::make_shared<std::vector<std::byte>>(bytes_of(path));
    const std::weak_ptr<std::vector<std::byte>> watched = bytes;
    {
      const std::span<const std::byte> view(*bytes);
      auto shared = Engine::load(view, std::move(bytes));
      ASSERT_TRUE(shared) << shared.error().message;
      Session session = session_of(*shared);
      const TensorView input(kX, {1, 4});
      EXPECT_EQ(floats(session.run({&input, 1})->front()), kY);
    }
    EXPECT_TRUE(watched.expired()) << path;

    std::vector<std::byte> short_lived = bytes_of(path);
    auto copied = Engine::load(short_lived);
    ASSERT_TRUE(copied);
    std::fill(short_lived.begin(), short_lived.end(), std::byte{0xff});
    Session session = session_of(*copied);
    const TensorView input(kX, {1, 4});
    EXPECT_EQ(floats(session.run({&input, 1})->front()), kY);
  }
}

TEST(Api, BadModelsAndOptionsGiveErrors) {
  const auto owner = std::make_shared<std::vector<std::byte>>(64, std::byte{0xab});
  EXPECT_FALSE(Engine::load(std::span<const std::byte>(*owner), owner));
  EXPECT_EQ(owner.use_count(), 1) << "the owner is released after a failed load";
  EXPECT_FALSE(Engine::load("/nonexistent/model.onnx"));
  EXPECT_EQ(Engine::load(kLinear, {.isa = "sse9"}).error().code, SLIPWAY_INVALID_ARGUMENT);
  slipway_options* options = slipway_options_create();
  EXPECT_EQ(slipway_options_set(options, "threads", "many"), SLIPWAY_INVALID_ARGUMENT);
  EXPECT_EQ(slipway_options_set(options, "colour", "red"), SLIPWAY_NOT_FOUND);
  EXPECT_NE(std::string(slipway_last_error()).find("'colour'"), std::string::npos);
  slipway_options_destroy(options);
}

TEST(Api, EveryInstructionSetAnswersTheSame) {
  const TensorView input(kX, {1, 4});
  for (const char* isa : {"portable", slipway_cpu_isa()}) {
    Session session = session_of(linear({.isa = isa}));
    EXPECT_EQ(floats(session.run({&input, 1})->front()), kY) << isa;
  }
}

TEST(Api, RunsEndByCancellationAndDeadline) {
  Session session = session_of(linear());
  const TensorView input(kX, {1, 4});
  const slipway::Cancellation cancellation;
  cancellation.request();
  EXPECT_EQ(session.run({&input, 1}, {.cancellation = cancellation}).error().code, SLIPWAY_CANCELLED);
  cancellation.reset();
  EXPECT_TRUE(session.run({&input, 1}, {.cancellation = cancellation}));
  EXPECT_TRUE(session.run({&input, 1}, {.timeout = std::chrono::minutes(1)}));
  Session fresh = session_of(linear());
  EXPECT_EQ(fresh.run({&input, 1}, {.timeout = std::chrono::microseconds(1)}).error().code, SLIPWAY_DEADLINE);
}

TEST(Api, AsyncRunsOnTheCallersExecutor) {
  Session session = session_of(linear());
  std::function<void()> queued;
  std::vector<float> found;
  session.run_async(
      {TensorView(kX, {1, 4})}, [&](std::function<void()> task) { queued = std::move(task); },
      [&](auto outputs) { found = floats(outputs->front()); });
  EXPECT_TRUE(found.empty());
  std::thread(queued).join();
  EXPECT_EQ(found, kY);
}

TEST(Api, SessionsOutliveTheirEngineHandle) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  {
    const Engine engine = linear();
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&right, session = std::make_shared<Session>(session_of(engine))] {
        const TensorView input(kX, {1, 4});
        for (int run = 0; run < 20; ++run) right += floats(session->run({&input, 1})->front()) == kY ? 1 : 0;
      });
    }
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(right, 80);
}

TEST(Api, StringsPass) {
  const auto engine = Engine::load(std::as_bytes(std::span(kStrings, sizeof kStrings - 1)));
  ASSERT_TRUE(engine) << engine.error().message;
  Session session = session_of(*engine);
  const std::vector<const char*> words = {"slip", "", "way"};
  const TensorView input(words, {3});
  const auto outputs = session.run({&input, 1});
  ASSERT_TRUE(outputs) << outputs.error().message;
  const auto found = outputs->front().as<const char*>();
  ASSERT_EQ(found.size(), 3U);
  for (size_t i = 0; i < 3; ++i) EXPECT_STREQ(found[i], words[i]);
}

TEST(Api, LogLinesReachTheCallback) {
  std::vector<std::string> lines;
  ASSERT_TRUE(slipway::set_log([&](slipway_log_level, std::string_view text) { lines.emplace_back(text); }));
  const std::string saved = testing::TempDir() + "api_log.slip";
  ASSERT_TRUE(linear({.isa = "portable"}).save(saved));
  ASSERT_TRUE(Engine::load(saved));
  ASSERT_TRUE(slipway::set_log({}));
  if (std::string(slipway_cpu_isa()) != "portable") {
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_NE(lines[0].find("portable"), std::string::npos);
  }
}

TEST(Api, NamesOfCodesAndTypes) {
  EXPECT_STREQ(slipway_status_name(SLIPWAY_OK), "ok");
  EXPECT_STREQ(slipway_status_name(SLIPWAY_INVALID_MODEL), "invalid_model");
  EXPECT_STREQ(slipway_status_name(SLIPWAY_NO_MEMORY), "no_memory");
  EXPECT_STREQ(slipway_type_name(SLIPWAY_BF16), "bf16");
  EXPECT_EQ(slipway_type_bits(SLIPWAY_I4), 4);
  EXPECT_STREQ(slipway_type_name(static_cast<slipway_type>(99)), "undefined");
}

}  // namespace
