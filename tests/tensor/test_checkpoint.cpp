#include "core/tensor/checkpoint.h"

#include "core/base/error.h"
#include "core/base/rng.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

namespace eosin {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A state whose every part says which step it belongs to.
State state_of(int64_t step, int64_t elements = 1009) {
  State model, optim, all;
  model.tensors["blocks.0.weight"] = at::full({elements}, static_cast<double>(step), at::kFloat);
  model.tensors["bias"] = at::full({}, step, at::kLong);
  optim.tensors["m"] = at::full({7, 3}, static_cast<double>(step) / 3, at::kDouble);
  model.values["step"] = step;
  optim.values["lr"] = 0.1 * static_cast<double>(step);
  all.add("model", model);
  all.add("optim", optim);
  all.tensors["centre"] = at::full({5}, static_cast<double>(step), at::kBFloat16);
  return all;
}

void expect_same(const State& got, const State& want) {
  EXPECT_EQ(got.values, want.values);
  ASSERT_EQ(got.tensors.size(), want.tensors.size());
  for (const auto& [name, t] : want.tensors) {
    ASSERT_TRUE(got.tensors.count(name)) << name;
    EXPECT_EQ(got.tensors.at(name).scalar_type(), t.scalar_type());
    EXPECT_TRUE(at::equal(got.tensors.at(name), t)) << name;
  }
}

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_bytes(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() {
    std::string name = (fs::temp_directory_path() / "eosin-checkpoint-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    folder_ = (root_ / "checkpoints").string();
  }
  ~CheckpointTest() override { fs::remove_all(root_); }

  std::string error_of_loading(int64_t step) const {
    try {
      load_checkpoint(checkpoint_path(folder_, step));
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }

  /// Names in the folder that are neither checkpoints nor LATEST.
  std::vector<std::string> leftovers() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (const std::string name = entry.path().filename(); name != "LATEST" && name.find(".tmp") != std::string::npos) out.push_back(name);
    return out;
  }

  fs::path root_;
  std::string folder_;
};

TEST_F(CheckpointTest, RoundTripAndLayout) {
  EXPECT_FALSE(load_latest(folder_));
  save_checkpoint(folder_, 1000, state_of(1000));
  save_checkpoint(folder_, 2000, state_of(2000));
  const auto latest = load_latest(folder_);
  ASSERT_TRUE(latest);
  EXPECT_EQ(latest->step, 2000);
  expect_same(latest->state, state_of(2000));
  expect_same(latest->state.part("optim"), [] {
    State optim;
    optim.tensors["m"] = at::full({7, 3}, 2000 / 3.0, at::kDouble);
    optim.values["lr"] = 200.0;
    return optim;
  }());
  EXPECT_EQ(bytes_of(folder_ + "/LATEST"), "step-00002000\n");
  for (const char* name : {"MANIFEST.json", "state.json", "model.safetensors", "optim.safetensors", "tensors.safetensors"})
    EXPECT_TRUE(fs::exists(folder_ + "/step-00002000/" + name)) << name;
  EXPECT_TRUE(leftovers().empty());
}

TEST_F(CheckpointTest, LatestIsForPeople) {
  save_checkpoint(folder_, 5, state_of(5));
  fs::remove(folder_ + "/LATEST");
  EXPECT_EQ(load_latest(folder_)->step, 5);
}

TEST_F(CheckpointTest, TheSameStepIsReplaced) {
  save_checkpoint(folder_, 5, state_of(5));
  save_checkpoint(folder_, 5, state_of(6));
  expect_same(load_latest(folder_)->state, state_of(6));
  EXPECT_TRUE(leftovers().empty());
}

TEST_F(CheckpointTest, Retention) {
  for (int64_t step : {10, 20, 30, 40, 50}) save_checkpoint(folder_, step, state_of(step), 3);
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(30, 40, 50));
  save_checkpoint(folder_, 60, state_of(60), 1);
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(60));
  EXPECT_TRUE(leftovers().empty());
}

TEST_F(CheckpointTest, WhatIsNewestStaysThoughItsStepIsEarlier) {
  for (int64_t step : {30, 50, 40}) save_checkpoint(folder_, step, state_of(step), 1);  // a run that went back found a better one
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(40));
  for (int64_t step : {50, 60, 45}) save_checkpoint(folder_, step, state_of(step), 2);
  EXPECT_THAT(checkpoint_steps(folder_), ElementsAre(45));
}

TEST_F(CheckpointTest, StaleFoldersGoWithTheNextSave) {
  save_checkpoint(folder_, 1, state_of(1));
  fs::copy(folder_ + "/step-00000001", folder_ + "/step-00000002.tmp-77");
  EXPECT_EQ(load_latest(folder_)->step, 1);
  EXPECT_EQ(leftovers().size(), 1U) << "loading changes nothing";
  save_checkpoint(folder_, 2, state_of(2));
  EXPECT_TRUE(leftovers().empty());
}

TEST_F(CheckpointTest, AnyFlippedBitIsNamedAndThePreviousIsUsed) {
  save_checkpoint(folder_, 1, state_of(1));
  save_checkpoint(folder_, 2, state_of(2));
  RandomStream random(1, 0, 0, RandomOp::kSynthetic);
  for (const auto& entry : fs::directory_iterator(checkpoint_path(folder_, 2))) {
    const std::string whole = bytes_of(entry.path()), name = entry.path().filename();
    const bool manifest = name == "MANIFEST.json";
    for (int trial = 0; trial < 40; ++trial) {
      std::string bad = whole;
      bad[random.below(static_cast<uint32_t>(whole.size()))] ^= static_cast<char>(1 << random.below(8));
      write_bytes(entry.path(), bad);
      const std::string message = error_of_loading(2);
      // a flip between a manifest's values may leave the same values
      if (message == "no error" && manifest)
        expect_same(load_checkpoint(checkpoint_path(folder_, 2)).state, state_of(2));
      else
        ASSERT_THAT(message, HasSubstr(name + "] is damaged"));
    }
    write_bytes(entry.path(), whole.substr(0, whole.size() - 1));
    if (!manifest) EXPECT_THAT(error_of_loading(2), HasSubstr(fmt::format("has {} bytes, was written with {}", whole.size() - 1, whole.size())));
    fs::remove(entry.path());
    EXPECT_THAT(error_of_loading(2), HasSubstr("missing"));
    EXPECT_EQ(load_latest(folder_)->step, 1);
    write_bytes(entry.path(), whole);
  }
  EXPECT_EQ(load_latest(folder_)->step, 2);
}

TEST_F(CheckpointTest, AllDamagedIsAnErrorNotAFreshStart) {
  for (int64_t step : {1, 2}) {
    save_checkpoint(folder_, step, state_of(step));
    write_bytes(checkpoint_path(folder_, step) + "/state.json", "{}");
  }
  try {
    load_latest(folder_);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data);
    EXPECT_THAT(e.what(), HasSubstr("step-00000002/state.json] is damaged"));
  }
}

TEST_F(CheckpointTest, ARenamedFolderIsRefused) {
  save_checkpoint(folder_, 1, state_of(1));
  fs::rename(checkpoint_path(folder_, 1), checkpoint_path(folder_, 3));
  EXPECT_THAT(error_of_loading(3), HasSubstr("belongs to step 1"));
}

TEST_F(CheckpointTest, AFullDiskIsOneErrorAndLosesNothing) {
  save_checkpoint(folder_, 1, state_of(1));
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 16, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string message;
  try {
    save_checkpoint(folder_, 2, state_of(2, 1 << 20), 1);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Io);
    message = e.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, HasSubstr("model.safetensors] cannot write"));
  EXPECT_TRUE(leftovers().empty());
  expect_same(load_latest(folder_)->state, state_of(1));
}

/// A child saves without pause, keeps two, and says after each save which step is safe; it is killed at a random moment.
TEST_F(CheckpointTest, KillNineAtAnyMoment) {
  RandomStream random(2, 0, 0, RandomOp::kSynthetic);
  int64_t step = 0;
  for (int kill = 0; kill < 20; ++kill) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int64_t s = step + 1;; ++s) {
        save_checkpoint(folder_, s, state_of(s, 20'011), 2);
        if (::write(ends[1], &s, sizeof s) != sizeof s) ::_exit(1);
      }
    }
    ::close(ends[1]);
    int64_t safe = step, said = 0;
    const auto begin = std::chrono::steady_clock::now();
    if (kill % 4 != 0 && ::read(ends[0], &said, sizeof said) == sizeof said) safe = said;  // else even the first save may be cut short
    const auto one_save = std::max<int64_t>(20'000, (std::chrono::steady_clock::now() - begin) / std::chrono::microseconds(1));
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(static_cast<uint32_t>(one_save))));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(ends[0], &said, sizeof said) == sizeof said) safe = said;
    ::close(ends[0]);

    const auto latest = load_latest(folder_);
    if (safe > 0) ASSERT_TRUE(latest);
    if (!latest) continue;
    EXPECT_GE(latest->step, safe);
    EXPECT_LE(latest->step, safe + 1);
    expect_same(latest->state, state_of(latest->step, 20'011));
    step = latest->step;
  }
  EXPECT_GT(step, 0);
  save_checkpoint(folder_, step + 1, state_of(step + 1), 2);
  EXPECT_TRUE(leftovers().empty());
}

}  // namespace
}  // namespace eosin
