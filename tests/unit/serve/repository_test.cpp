// The repository: what a folder holds, loading, replacing, unloading, all while requests run.
#include <gtest/gtest.h>

#include <future>

#include "engines.hpp"
#include "serve/repository/folder.hpp"

namespace slipway::serve {
namespace {

namespace fs = std::filesystem;

class RepositoryTest : public testing::Test {
 protected:
  RepositoryTest() { fs::create_directories(folder_); }
  ~RepositoryTest() override { fs::remove_all(folder_); }

  /// A file that loads.
  void put(const fs::path& place) {
    fs::create_directories((folder_ / place).parent_path());
    const Status saved = doubler()->save(folder_ / place);
    ASSERT_TRUE(saved.has_value()) << saved.error().text();
  }
  void put_text(const fs::path& place, const std::string& text) {
    fs::create_directories((folder_ / place).parent_path());
    std::ofstream(folder_ / place) << text;
  }
  Repository::Options options() {
    Repository::Options out;
    out.folder = folder_;
    return out;
  }
  static std::vector<std::string> lines(const Repository& repository) {
    std::vector<std::string> out;
    const auto index = repository.index();
    for (const IndexEntry& e : *index) {
      const char* state = e.state == ModelState::ready ? "ready" : e.state == ModelState::loading ? "loading" : "unavailable";
      out.push_back(e.name + " " + e.version + " " + state);
    }
    return out;
  }
  static float ask(const Model& model, float value) {
    std::promise<std::string> body;
    Job job;
    job.request = doubler_request(value);
    job.done = [&](Result<InferReply> reply) { body.set_value(reply ? reply->body : reply.error().text()); };
    if (!model.queue().push(std::move(job))) return -1;
    const std::string text = body.get_future().get();
    const size_t at = text.find("\"data\":[");
    return at == std::string::npos ? -1 : std::stof(text.substr(at + 8));
  }

  fs::path folder_ = fs::temp_directory_path() / ("slipway_repository_" + std::to_string(getpid()));
  Metrics metrics_;
};

TEST_F(RepositoryTest, ScansWhatLiesThere) {
  put_text("plain.onnx", "x");
  put_text("engine.slip", "x");
  put_text("both.onnx", "x");
  put_text("both/1/model.onnx", "x");
  put_text("versions/2/model.onnx", "x");
  put_text("versions/10/model.slip", "x");
  put_text("versions/10/model.onnx", "x");
  put_text("versions/011/model.onnx", "x");
  put_text("versions/config.pbtxt", "x");
  put_text("empty/readme.txt", "x");
  put_text("hollow/3/weights.bin", "x");
  put_text(".hidden/1/model.onnx", "x");
  put_text("notes.txt", "x");
  const auto found = scan_models(folder_);
  ASSERT_TRUE(found.has_value()) << found.error().text();
  std::map<std::string, FolderEntry> by_name;
  for (const FolderEntry& entry : *found) by_name[entry.file.name] = entry;
  ASSERT_EQ(by_name.size(), 6U);
  EXPECT_EQ(by_name["plain"].file.path, folder_ / "plain.onnx");
  EXPECT_EQ(by_name["engine"].file.version, "1");
  EXPECT_EQ(by_name["versions"].file.version, "10");
  EXPECT_EQ(by_name["versions"].file.path, folder_ / "versions/10/model.slip");
  EXPECT_NE(by_name["both"].fault.find("more than one model called 'both'"), std::string::npos);
  EXPECT_NE(by_name["empty"].fault.find("has no version"), std::string::npos);
  EXPECT_NE(by_name["hollow"].fault.find("neither model.slip nor model.onnx"), std::string::npos);
  const auto missing = scan_models(folder_ / "missing");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::io);
}

TEST_F(RepositoryTest, LoadsReplacesAndUnloads) {
  put("double/1/model.slip");
  put_text("bad.onnx", "this is no model");
  Repository repository(options(), metrics_);
  EXPECT_EQ(lines(repository), (std::vector<std::string>{"bad 1 unavailable", "double 1 unavailable"}));
  EXPECT_EQ(repository.find("double", ""), nullptr);
  ASSERT_TRUE(repository.load("double").has_value());
  const auto first = repository.find("double", "1");
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(repository.find("double", "2"), nullptr);
  EXPECT_EQ(repository.loaded().size(), 1U);

  EXPECT_FALSE(repository.load("bad").has_value());
  EXPECT_FALSE(repository.index()->front().reason.empty());
  for (const char* name : {"none", "", "../double", "double/1", "."}) {
    EXPECT_EQ(repository.load(name).error().code, ErrorCode::not_found) << name;
  }

  put("double/2/model.slip");
  ASSERT_TRUE(repository.load("double").has_value());
  EXPECT_EQ(repository.find("double", "1"), nullptr);
  EXPECT_EQ(repository.find("double", "2")->spec().version, "2");
  EXPECT_EQ(ask(*first, 4), 8) << "a replaced model answers those that hold it";

  put_text("double/3/model.slip", "broken");
  EXPECT_FALSE(repository.load("double").has_value());
  EXPECT_NE(repository.find("double", "2"), nullptr) << "a failed load leaves what served before";

  ASSERT_TRUE(repository.unload("double").has_value());
  EXPECT_EQ(repository.find("double", ""), nullptr);
  EXPECT_EQ(repository.unload("double").error().code, ErrorCode::not_found);
  EXPECT_EQ(lines(repository), (std::vector<std::string>{"bad 1 unavailable", "double 3 unavailable"}));
}

TEST_F(RepositoryTest, NamesAreTakenOnce) {
  Repository repository({}, metrics_);
  put("d.slip");
  ASSERT_TRUE(repository.add({"d", "1", folder_ / "d.slip"}).has_value());
  EXPECT_EQ(repository.add({"d", "1", folder_ / "d.slip"}).error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(repository.load("d").has_value());
}

TEST_F(RepositoryTest, ChangesWhileItServes) {
  put("double.slip");
  Repository repository(options(), metrics_);
  ASSERT_TRUE(repository.load("double").has_value());
  std::atomic<bool> ending{false};
  std::atomic<int> right{0}, wrong{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&] {
      while (!ending) {
        const auto model = repository.find("double", "");
        if (model == nullptr) continue;
        ++(ask(*model, 3) == 6 ? right : wrong);
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    std::promise<void> done;
    repository.request_load("double", [&](const Status& status) {
      EXPECT_TRUE(status.has_value());
      done.set_value();
    });
    done.get_future().get();
    if (i % 3 != 2) continue;
    EXPECT_TRUE(repository.unload("double").has_value());
  }
  const int before = right;
  while (right == before) std::this_thread::yield();
  ending = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace slipway::serve
