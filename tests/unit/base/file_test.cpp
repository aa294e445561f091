#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/mapped_file.hpp"
#include "base/pages.hpp"

namespace slipway {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "slipway_file_XXXXXX").string();
    root_ = mkdtemp(name.data());
    folder_ = root_ / "model";
    fs::create_directories(folder_ / "sub");
    write(root_ / "secret", "secret");
    write(folder_ / "weights.bin", "0123456789");
    write(folder_ / "sub" / "more.bin", "abc");
  }
  void TearDown() override { fs::remove_all(root_); }

  static void write(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }

  fs::path root_, folder_;
};

TEST_F(FileTest, ReadsAndMapsTheSameBytes) {
  const std::string path = folder_ / "weights.bin";
  const auto read = read_file(path), mapped = map_file(path);
  ASSERT_TRUE(read && mapped);
  EXPECT_EQ(read.value().text(), "0123456789");
  EXPECT_EQ(mapped.value().text(), "0123456789");
  EXPECT_FALSE(read.value().mapped());
  EXPECT_TRUE(mapped.value().mapped());
}

TEST_F(FileTest, PartsAreCheckedAgainstTheFile) {
  const std::string path = folder_ / "weights.bin";
  EXPECT_EQ(read_file(path, {.offset = 3, .length = 4}).value().text(), "3456");
  EXPECT_EQ(map_file(path, {.offset = 3, .length = 4}).value().text(), "3456");
  EXPECT_EQ(map_file(path, {.offset = 10}).value().size(), 0u);
  EXPECT_EQ(read_file(path, {.offset = 11}).error().code, ErrorCode::invalid_model);
  EXPECT_EQ(read_file(path, {.offset = 8, .length = 3}).error().code, ErrorCode::invalid_model);
  EXPECT_EQ(map_file(path, {.offset = 1, .length = UINT64_MAX - 1}).error().code, ErrorCode::invalid_model);
  EXPECT_EQ(read_file(path, {.max_bytes = 9}).error().code, ErrorCode::limit);
}

TEST_F(FileTest, OnlyRegularFilesOpen) {
  EXPECT_EQ(File::open(root_ / "absent").error().code, ErrorCode::not_found);
  EXPECT_EQ(File::open(folder_).error().code, ErrorCode::io);
  EXPECT_EQ(File::open("/dev/zero").error().code, ErrorCode::io);
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(File::open(root_ / "fifo").error().code, ErrorCode::io);
}

TEST_F(FileTest, ReferencesStayBeneathTheFolder) {
  for (const char* good : {"weights.bin", "./weights.bin", "sub/more.bin", "sub//./more.bin"}) {
    EXPECT_TRUE(File::open_beneath(folder_, good)) << good;
  }
  for (const char* bad : {"", "/", ".", "/etc/passwd", "../secret", "sub/../weights.bin", "sub/../../secret", ".."}) {
    const auto file = File::open_beneath(folder_, bad);
    ASSERT_FALSE(file) << bad;
    EXPECT_EQ(file.error().code, ErrorCode::invalid_model) << bad;
  }
  EXPECT_FALSE(File::open_beneath(folder_, std::string_view("weights.bin\0x", 13)));
  EXPECT_FALSE(File::open_beneath(folder_, std::string(5000, 'a')));
  EXPECT_EQ(File::open_beneath(folder_, "absent.bin").error().code, ErrorCode::not_found);
  EXPECT_EQ(File::open_beneath(folder_, "sub").error().code, ErrorCode::io);
}

TEST_F(FileTest, LinksOutOfTheFolderAreRefused) {
  fs::create_symlink(root_ / "secret", folder_ / "absolute");
  fs::create_symlink("../secret", folder_ / "relative");
  fs::create_directory_symlink(root_, folder_ / "up");
  for (const char* bad : {"absolute", "relative", "up/secret"}) {
    const auto file = File::open_beneath(folder_, bad);
    ASSERT_FALSE(file) << bad;
    EXPECT_EQ(file.error().code, ErrorCode::invalid_model) << bad;
  }
}

/// Makes openat2 answer ENOSYS in this process, as old kernels and container sandboxes do.
bool hide_openat2() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {sizeof program / sizeof program[0], program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_F(FileTest, ReferencesAreJustAsSafeWithoutOpenat2) {
  fs::create_symlink("../secret", folder_ / "relative");
  fs::create_directory_symlink(root_, folder_ / "up");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!hide_openat2()) _exit(0);
    const bool good = File::open_beneath(folder_, "weights.bin") && File::open_beneath(folder_, "sub/more.bin");
    const auto link = File::open_beneath(folder_, "relative"), folder = File::open_beneath(folder_, "up/secret");
    const auto absent = File::open_beneath(folder_, "absent/file");
    _exit(!good ? 1 : link ? 2 : folder ? 3 : absent.error().code != ErrorCode::not_found ? 4 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(FileTest, ReadBytesOutliveTheFile) {
  const std::string path = folder_ / "big.bin";
  const size_t size = (size_t{5} << 20) + 17;
  write(path, std::string(size, 'x'));
  const auto file = File::open(path);
  ASSERT_TRUE(file);
  const auto bytes = read_file(file.value());
  ASSERT_TRUE(bytes);
  fs::resize_file(path, 0);
  EXPECT_EQ(bytes.value().text(), std::string(size, 'x'));
  EXPECT_EQ(read_file(file.value()).error().code, ErrorCode::io);  // it shrank after opening
}

TEST_F(FileTest, ReleasedPagesReadAsZeroOrAgainFromTheFile) {
  const std::string path = folder_ / "big.bin";
  write(path, std::string(64 << 10, 'x'));
  const auto read = read_file(path), mapped = map_file(path);
  ASSERT_TRUE(read && mapped);
  read.value().release(100, 32 << 10);
  mapped.value().release(0, SIZE_MAX);
  EXPECT_EQ(read.value().text()[0], 'x');  // a page that is not wholly inside stays
  EXPECT_EQ(read.value().text()[8192], '\0');
  EXPECT_EQ(read.value().text()[40 << 10], 'x');
  EXPECT_EQ(mapped.value().text()[8192], 'x');
}

TEST(Pages, AreZeroedAndAligned) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4097}, size_t{2} << 20, (size_t{6} << 20) + 1}) {
    const auto memory = allocate_pages(bytes);
    auto* p = static_cast<unsigned char*>(memory.get());
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % (bytes >= size_t{2} << 20 ? size_t{2} << 20 : 4096), 0u);
    if (bytes == 0) continue;
    EXPECT_EQ(p[0] | p[bytes / 2] | p[bytes - 1], 0);
    p[0] = p[bytes - 1] = 1;
  }
  EXPECT_THROW(allocate_pages(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW(allocate_pages(size_t{1} << 60), std::bad_alloc);
}

}  // namespace
}  // namespace slipway
