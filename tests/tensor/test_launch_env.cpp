#include "core/base/error.h"
#include "core/tensor/comm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

namespace eosin {
namespace {

using ::testing::HasSubstr;

/// Replaces every variable that could say where a process stands, and puts them back.
class LaunchVariables : public ::testing::Test {
 protected:
  LaunchVariables() {
    for (const char* name : kNames) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      ::unsetenv(name);
    }
  }
  ~LaunchVariables() override {
    for (const char* name : kNames) ::unsetenv(name);
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  static void set(const std::map<std::string, std::string>& variables) {
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  }
  static std::string message() {
    try {
      read_launch_env();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::Config);
      return e.what();
    }
    return "no error";
  }
  static constexpr const char* kNames[] = {"RANK",
                                           "WORLD_SIZE",
                                           "LOCAL_RANK",
                                           "LOCAL_WORLD_SIZE",
                                           "MASTER_ADDR",
                                           "MASTER_PORT",
                                           "EOSIN_LAUNCH",
                                           "EOSIN_STORE_FD",
                                           "TORCHELASTIC_RUN_ID",
                                           "TORCHELASTIC_RESTART_COUNT",
                                           "TORCHELASTIC_USE_AGENT_STORE",
                                           "SLURM_JOB_ID",
                                           "SLURM_PROCID",
                                           "SLURM_LOCALID",
                                           "SLURM_NTASKS",
                                           "SLURM_NODEID",
                                           "SLURM_JOB_NODELIST",
                                           "SLURM_STEP_NODELIST",
                                           "SLURM_TASKS_PER_NODE",
                                           "SLURM_STEP_TASKS_PER_NODE",
                                           "SLURM_JOB_NAME",
                                           "SLURM_RESTART_COUNT"};
  const std::map<std::string, std::string> ranks_ = {{"RANK", "3"},         {"WORLD_SIZE", "4"},     {"LOCAL_RANK", "1"}, {"LOCAL_WORLD_SIZE", "2"},
                                                     {"MASTER_ADDR", "n0"}, {"MASTER_PORT", "29500"}};
  const std::map<std::string, std::string> slurm_ = {
      {"SLURM_JOB_ID", "123456"}, {"SLURM_PROCID", "5"},           {"SLURM_NTASKS", "7"},       {"SLURM_LOCALID", "1"},
      {"SLURM_NODEID", "1"},      {"SLURM_TASKS_PER_NODE", "4,3"}, {"SLURM_JOB_NAME", "train"}, {"SLURM_JOB_NODELIST", "gpu[07-09,12],login"}};

 private:
  std::map<std::string, std::string> before_;
};

TEST_F(LaunchVariables, NoneIsOneProcess) {
  const LaunchEnv env = read_launch_env();
  EXPECT_EQ(env.world, 1);
  EXPECT_EQ(env.source, "single");
}

TEST_F(LaunchVariables, Torchrun) {
  set(ranks_);
  set({{"TORCHELASTIC_RUN_ID", "x"}, {"TORCHELASTIC_RESTART_COUNT", "2"}, {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  const LaunchEnv env = read_launch_env();
  EXPECT_EQ(env.source, "torchrun");
  EXPECT_EQ(env.rank, 3);
  EXPECT_EQ(env.world, 4);
  EXPECT_EQ(env.local_rank, 1);
  EXPECT_EQ(env.local_world, 2);
  EXPECT_EQ(env.master_addr, "n0");
  EXPECT_EQ(env.master_port, 29500);
  EXPECT_EQ(env.attempt, 2);
  EXPECT_TRUE(env.agent_store);
}

TEST_F(LaunchVariables, PartOrNonsenseIsRefused) {
  set(ranks_);
  ::unsetenv("MASTER_PORT");
  EXPECT_THAT(message(), HasSubstr("MASTER_PORT missing"));
  set({{"MASTER_PORT", "29500"}, {"RANK", "4"}});
  EXPECT_THAT(message(), HasSubstr("RANK='4' (need an integer from 0 to 3)"));
  set({{"RANK", "1x"}});
  EXPECT_THAT(message(), HasSubstr("RANK='1x'"));
}

TEST_F(LaunchVariables, Slurm) {
  set(slurm_);
  const LaunchEnv env = read_launch_env();
  EXPECT_EQ(env.source, "slurm");
  EXPECT_EQ(env.rank, 5);
  EXPECT_EQ(env.world, 7);
  EXPECT_EQ(env.local_rank, 1);
  EXPECT_EQ(env.local_world, 3);
  EXPECT_EQ(env.master_addr, "gpu07");
  EXPECT_EQ(env.master_port, 20000 + 123456 % 40000);
  EXPECT_FALSE(env.agent_store);
}

TEST_F(LaunchVariables, SlurmWinsOverHandSetButNotOverALauncher) {
  set(slurm_);
  set(ranks_);
  EXPECT_EQ(read_launch_env().source, "slurm");
  set({{"TORCHELASTIC_RUN_ID", "x"}});
  EXPECT_EQ(read_launch_env().source, "torchrun");
  set({{"EOSIN_LAUNCH", "1"}});
  EXPECT_EQ(read_launch_env().source, "eosin launch");
}

TEST_F(LaunchVariables, AnInteractiveShellIsOneProcess) {
  set(slurm_);
  set({{"SLURM_JOB_NAME", "interactive"}});
  EXPECT_EQ(read_launch_env().world, 1);
}

TEST(Slurm, FirstHost) {
  EXPECT_EQ(slurm_first_host("node7"), "node7");
  EXPECT_EQ(slurm_first_host("a-b.c,d"), "a-b.c");
  EXPECT_EQ(slurm_first_host("gpu[007-012,3],x"), "gpu007");
  EXPECT_EQ(slurm_first_host("rack[1-2]node[3,5]-ib"), "rack1node3-ib");
  for (const char* bad : {"", "gpu[1-2", "a;b", "[[1]"}) EXPECT_THROW(slurm_first_host(bad), Error) << bad;
}

TEST(Slurm, TasksOnNode) {
  EXPECT_EQ(slurm_tasks_on_node("4", 0), 4);
  EXPECT_EQ(slurm_tasks_on_node("4(x2),3", 1), 4);
  EXPECT_EQ(slurm_tasks_on_node("4(x2),3", 2), 3);
  EXPECT_THROW(slurm_tasks_on_node("4(x2),3", 3), Error);
  EXPECT_THROW(slurm_tasks_on_node("many", 0), Error);
}

}  // namespace
}  // namespace eosin
