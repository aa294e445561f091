#include "base/thread_pool.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <thread>
#include <vector>

#include "base/cgroup.hpp"

namespace slipway {
namespace {

using namespace std::chrono_literals;

/// Four threads whatever the machine has: set before anything reads the knob.
const bool kFourThreads = setenv("SLIPWAY_THREADS", "4", 1) == 0;

/// Runs once with a plain counter a share: a share run twice at the same time, or not visible afterwards, is a race for TSan.
void expect_each_share_once(Team& team) {
  std::vector<int> counts(static_cast<size_t>(team.size()), 0);
  auto task = [&](int i, int n) { counts[static_cast<size_t>(i)] += n; };
  team.run(task);
  for (const int count : counts) ASSERT_EQ(count, team.size());
}

TEST(Team, SizeIsCapped) {
  EXPECT_EQ(max_threads(), 4);
  EXPECT_EQ(Team(1).size(), 1);
  EXPECT_EQ(Team(0).size(), 1);
  EXPECT_EQ(Team(3).size(), 3);
  EXPECT_EQ(Team(1000).size(), 4);
}

TEST(Team, RunsEachShareOnce) {
  for (int size = 1; size <= 4; ++size) {
    Team team(size);
    for (int run = 0; run < 3000; ++run) expect_each_share_once(team);
  }
}

TEST(Team, RunsOfUnequalSharesWithAndWithoutGaps) {
  Team team(4);
  for (int run = 0; run < 40; ++run) {
    std::vector<int> counts(4, 0);
    auto task = [&](int i, int) {
      if (i == run % 4) std::this_thread::sleep_for(1ms);  // longer than the spin: somebody sleeps
      ++counts[static_cast<size_t>(i)];
    };
    team.run(task);
    ASSERT_EQ(counts, std::vector<int>(4, 1));
    if (run % 3 == 0) std::this_thread::sleep_for(1ms);  // workers park
  }
}

TEST(Team, ManyCallersAtOnce) {
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 5; ++c) {
    callers.emplace_back([&total, c] {
      for (int life = 0; life < 5; ++life) {
        Team team(2 + (c + life) % 3);
        const Team::Busy busy(team);
        for (int run = 0; run < 200; ++run) {
          expect_each_share_once(team);
          if (run % 64 == c) std::this_thread::sleep_for(300us);
        }
        total += 200;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total, 5 * 5 * 200);
}

TEST(Team, ATaskMayUseAnotherTeam) {
  Team outer(3);
  std::atomic<int> inner_shares{0};
  for (int run = 0; run < 20; ++run) {
    auto task = [&](int, int) {
      Team inner(4);
      auto inner_task = [&](int, int) { ++inner_shares; };
      inner.run(inner_task);
    };
    outer.run(task);
  }
  EXPECT_EQ(inner_shares, 20 * 3 * 4);
}

TEST(Team, WorkersTakePart) {
  Team team(2);
  const std::thread::id caller = std::this_thread::get_id();
  int helped = 0;
  for (int run = 0; run < 200 && helped == 0; ++run) {
    std::thread::id ids[2];
    auto task = [&](int i, int) {
      ids[i] = std::this_thread::get_id();
      std::this_thread::sleep_for(1ms);
    };
    team.run(task);
    EXPECT_EQ(ids[0], caller);
    helped += ids[1] != caller ? 1 : 0;
  }
  EXPECT_EQ(helped, 1);
}

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

TEST(Team, IdleMeansIdle) {
  Team team(4);
  for (int run = 0; run < 100; ++run) expect_each_share_once(team);
  std::this_thread::sleep_for(20ms);
  const double before = cpu_seconds();
  std::this_thread::sleep_for(300ms);
  EXPECT_LT(cpu_seconds() - before, 0.02);
}

#if !defined(__SANITIZE_THREAD__)  // TSan does not follow threads across fork()
TEST(Team, SurvivesFork) {
  Team team(4);
  for (int run = 0; run < 100; ++run) expect_each_share_once(team);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);
    for (int run = 0; run < 100; ++run) expect_each_share_once(team);
    {
      Team another(3);
      expect_each_share_once(another);
    }
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  expect_each_share_once(team);
}
#endif

TEST(Team, SharesAreContiguousAndEven) {
  for (const int64_t items : {0, 1, 3, 4, 5, 97}) {
    int64_t at = 0;
    for (int i = 0; i < 4; ++i) {
      const Team::Range range = Team::share(items, i, 4);
      EXPECT_EQ(range.begin, at);
      EXPECT_GE(range.end - range.begin, items / 4);
      EXPECT_LE(range.end - range.begin, items / 4 + 1);
      at = range.end;
    }
    EXPECT_EQ(at, items);
  }
}

TEST(AvailableCpus, HonoursTheAffinityMask) {
  EXPECT_GE(available_cpus(), 1);
  std::thread([] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(available_cpus(), 1);
  }).join();
}

class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "slipway_cgroup_XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text << '\n';
  }
  std::string root_;
};

TEST_F(CgroupTest, NothingMeansUnlimited) {
  EXPECT_FALSE(cgroup_cpu_quota(root_));
  write("/proc/self/cgroup", "0::/");
  EXPECT_FALSE(cgroup_cpu_quota(root_));
  write("/sys/fs/cgroup/cpu.max", "max 100000");
  EXPECT_FALSE(cgroup_cpu_quota(root_));
}

TEST_F(CgroupTest, Version2TakesTheLeastOfAllParents) {
  write("/proc/self/cgroup", "0::/a/b");
  write("/sys/fs/cgroup/a/b/cpu.max", "max 100000");
  write("/sys/fs/cgroup/a/cpu.max", "150000 100000");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root_).value(), 1.5);
  write("/sys/fs/cgroup/a/b/cpu.max", "50000 100000");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root_).value(), 0.5);
}

TEST_F(CgroupTest, Version1AndPathsThatTheContainerDoesNotSee) {
  write("/proc/self/cgroup", "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root_).value(), 3);
  write("/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "-1");
  write("/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root_).value(), 3);
}

TEST_F(CgroupTest, NonsenseIsUnlimited) {
  write("/proc/self/cgroup", "0\n:\n::\n4:cpu:/../../x\n0::relative");
  write("/sys/fs/cgroup/cpu.max", "-5 nan");
  write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "many");
  EXPECT_FALSE(cgroup_cpu_quota(root_));
}

}  // namespace
}  // namespace slipway
