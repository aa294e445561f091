// Paths and methods to answers, without sockets.
#include <gtest/gtest.h>

#include <future>

#include "engines.hpp"
#include "serve/codec/compress.hpp"
#include "serve/http/router.hpp"

namespace slipway::serve {
namespace {

constexpr char kAsk[] = R"({"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]})";

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    const auto path = std::filesystem::temp_directory_path() / ("slipway_router_" + std::to_string(getpid()) + ".slip");
    EXPECT_TRUE(doubler()->save(path).has_value());
    EXPECT_TRUE(repository_.add({"double x", "1", path}).has_value());
    EXPECT_TRUE(repository_.load("double x").has_value());
    std::filesystem::remove(path);
  }

  Reply ask(Request request) {
    std::promise<Reply> reply;
    router_.handle(std::move(request), [&](Reply r) { reply.set_value(std::move(r)); });
    return reply.get_future().get();
  }
  int status(const std::string& method, const std::string& target, const std::string& body = {}) {
    const Reply reply = ask({method, target, body, {}, {}, {}, {}});
    EXPECT_TRUE(reply.status < 400 || reply.body.empty() || reply.body.rfind("{\"error\":\"", 0) == 0) << reply.body;
    EXPECT_EQ(reply.status == 405, !reply.allow.empty());
    return reply.status;
  }

  Metrics metrics_;
  Repository repository_{{}, metrics_};
  Router router_{repository_, metrics_, {"9.9", true}};
};

TEST_F(RouterTest, Paths) {
  for (const char* target : {"/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/models/double%20x", "/v2/models/stats",
                             "/v2/models/double%20x/versions/1", "/v2/models/double%20x/versions/1/ready?x=y",
                             "/v2/models/double%20x/config", "/v2/models/double%20x/stats", "/metrics"}) {
    EXPECT_EQ(status("GET", target), 200) << target;
    EXPECT_EQ(status("POST", target), 405) << target;
    EXPECT_EQ(status("DELETE", target), 405) << target;
  }
  for (const char* target :
       {"/", "/v1", "/v2/models", "/v2/models/none", "/v2/models/double%20x/versions/2", "/v2/models/double%20x/x",
        "/v2/models/double%20x/versions/1/ready/more", "/a/b/c/d/e/f/g/h/i/j", "//v2"}) {
    EXPECT_EQ(status("GET", target), 404) << target;
  }
  EXPECT_EQ(status("GET", "v2"), 400);
  EXPECT_EQ(status("GET", "/v2/%"), 400);
  EXPECT_EQ(status("GET", "/v2/%4"), 400);
  EXPECT_EQ(status("GET", "/v2/%zz"), 400);
  EXPECT_EQ(status("GET", ""), 404);
  EXPECT_EQ(status("GET", "/v2/models/none/ready"), 400);
}

TEST_F(RouterTest, Inference) {
  const std::string path = "/v2/models/double%20x/infer";
  EXPECT_EQ(status("POST", path, kAsk), 200);
  EXPECT_EQ(status("POST", "/v2/models/double%20x/versions/1/infer", kAsk), 200);
  EXPECT_EQ(status("POST", "/v2/models/double%20x/versions/7/infer", kAsk), 404);
  EXPECT_EQ(status("POST", "/v2/models/none/infer", kAsk), 404);
  EXPECT_EQ(status("GET", path), 405);
  EXPECT_EQ(status("POST", path, "{}"), 400);
  for (const char* bad : {"", "x", "-1", "1x", " 1", "99999999999999999999"}) {
    EXPECT_EQ(ask({"POST", path, kAsk, {}, {}, bad, {}}).status, 400) << bad;
  }
  EXPECT_EQ(ask({"POST", path, kAsk, "br", {}, {}, {}}).status, 400);
  EXPECT_EQ(ask({"POST", path, kAsk, "identity", {}, {}, {}}).status, 200);
}

TEST_F(RouterTest, AcceptEncoding) {
  const auto encoding = [&](const std::string& accept) {
    return ask({"POST", "/v2/models/double%20x/infer", kAsk, {}, accept, {}, {}}).content_encoding;
  };
  EXPECT_EQ(encoding("gzip"), "gzip");
  EXPECT_EQ(encoding("br, deflate;q=0.5 , gzip"), "deflate");
  EXPECT_EQ(encoding("gzip;q=0, deflate"), "deflate");
  EXPECT_EQ(encoding("gzip;q=0.000"), "");
  EXPECT_EQ(encoding("br"), "");
  EXPECT_EQ(encoding(",,;,"), "");
  const Reply packed = ask({"POST", "/v2/models/double%20x/infer", kAsk, {}, "gzip", {}, {}});
  EXPECT_NE(decompress(packed.body, Encoding::gzip, 4096)->find("\"data\":[2,4]"), std::string::npos);
}

TEST_F(RouterTest, RepositoryControl) {
  EXPECT_EQ(status("POST", "/v2/repository/index"), 200);
  EXPECT_EQ(ask({"POST", "/v2/repository/index", R"({"ready":true})", {}, {}, {}, {}}).body,
            R"([{"name":"double x","version":"1","state":"READY","reason":""}])");
  EXPECT_EQ(status("POST", "/v2/repository/index", "3"), 400);
  EXPECT_EQ(status("GET", "/v2/repository/index"), 405);
  EXPECT_EQ(status("POST", "/v2/repository/other/index"), 501);
  const std::string path = "/v2/repository/models/double%20x";
  EXPECT_EQ(status("GET", path + "/load"), 405);
  EXPECT_EQ(status("POST", path + "/unload", R"({"parameters":{"unload_dependents":true}})"), 200);
  EXPECT_EQ(status("POST", path + "/unload"), 404);
  EXPECT_EQ(ask({"POST", "/v2/repository/index", R"({"ready":true})", {}, {}, {}, {}}).body, "[]");
  EXPECT_EQ(status("POST", path + "/load", R"({"parameters":{"config":"{}"}})"), 501);
  EXPECT_EQ(status("POST", path + "/load", R"({"parameters":{"file:1/model.onnx":"aGk="}})"), 501);
  EXPECT_EQ(status("POST", path + "/load", R"({"parameters":3})"), 400);
  EXPECT_EQ(status("POST", "/v2/repository/models/..%2Fx/load"), 404);
  const Router closed(repository_, metrics_, {"9.9", false});
  std::promise<int> refused;
  closed.handle({"POST", path + "/load", {}, {}, {}, {}, {}}, [&](const Reply& reply) { refused.set_value(reply.status); });
  EXPECT_EQ(refused.get_future().get(), 400);
}

TEST_F(RouterTest, DrainingIsNotReady) {
  router_.drain();
  EXPECT_EQ(status("GET", "/v2/health/ready"), 400);
  EXPECT_EQ(status("GET", "/v2/health/live"), 200);
}

TEST_F(RouterTest, MetricsText) {
  EXPECT_EQ(status("POST", "/v2/models/double%20x/infer", kAsk), 200);
  EXPECT_EQ(status("POST", "/v2/models/double%20x/infer", "{"), 400);
  const Reply reply = ask({"GET", "/metrics", {}, {}, {}, {}, {}});
  EXPECT_EQ(reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
  const std::string labels = "{model=\"double x\",version=\"1\"}";
  for (const char* name : {"nv_inference_request_success", "nv_inference_count", "nv_inference_exec_count"}) {
    EXPECT_NE(reply.body.find("# TYPE " + std::string(name) + " counter\n" + name + labels + " 1\n"), std::string::npos) << name;
  }
  for (const char* name :
       {"nv_inference_request_duration_us", "nv_inference_queue_duration_us", "nv_inference_compute_input_duration_us",
        "nv_inference_compute_infer_duration_us", "nv_inference_compute_output_duration_us", "nv_inference_pending_request_count",
        "nv_model_load_duration_secs"}) {
    EXPECT_NE(reply.body.find(name + labels), std::string::npos) << name;
  }
  EXPECT_NE(reply.body.find("nv_inference_request_failure{model=\"double x\",reason=\"OTHER\",version=\"1\"} 1\n"),
            std::string::npos)
      << reply.body;
}

}  // namespace
}  // namespace slipway::serve
