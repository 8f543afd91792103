// Ranks are real processes: this test program starts itself, and the variable EOSIN_TEST_RANK_CASE makes a copy play one rank.
#include "core/base/error.h"
#include "core/base/process_group.h"
#include "core/tensor/comm.h"
#include "core/tensor/gather.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <map>

namespace eosin {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Bits of a tensor in one number, to compare ranks.
uint64_t bits(const Tensor& t) {
  uint64_t h = 0xcbf29ce484222325;
  const auto* p = static_cast<const uint8_t*>(t.data_ptr());
  for (size_t i = 0; i < t.nbytes(); ++i) h = (h ^ p[i]) * 0x100000001b3;
  return h;
}

// ------------------------------------------------------------------------------------------ what a rank does in each case
void sums_and_copies(Comm& comm) {
  at::manual_seed(static_cast<uint64_t>(comm.rank()));
  Tensor sum = at::randn({1009, 7});
  comm.all_reduce_sum(sum);
  Tensor want = at::zeros({1009, 7});
  for (int k = 0; k < comm.size(); ++k) {
    at::manual_seed(static_cast<uint64_t>(k));
    want += at::randn({1009, 7});
  }
  fmt::print("close {} bits {:x}\n", at::allclose(sum, want, 1e-5, 1e-5), bits(sum));

  Tensor copy = at::full({5}, comm.rank(), at::kDouble);
  comm.broadcast(copy, 1);
  fmt::print("broadcast {}\n", copy.sum().item<double>());

  const Tensor all = comm.all_gather(at::full({2, 3}, comm.rank(), at::kLong));
  fmt::print("gather {} {}\n", fmt::join(all.sizes(), "x"),
             fmt::join(std::vector<int64_t>(all.data_ptr<int64_t>(), all.data_ptr<int64_t>() + all.numel()), ""));

  Tensor scalar = at::scalar_tensor(2.5), empty = at::empty({0, 3});
  comm.all_reduce_sum(scalar);
  comm.all_reduce_sum(empty);
  comm.barrier();
  fmt::print("scalar {}\n", scalar.item<float>());
}

/// The gradient of my rows is the sum of what the ranks have for them.
void gathers_with_gradients(const std::shared_ptr<Comm>& comm) {
  const auto weight = [](int rank) { return at::arange(1, 13, at::kDouble).view({4, 3}) * (rank + 1) * (rank + 1); };
  const Tensor mine = at::full({2, 3}, comm->rank() + 1.0, at::TensorOptions(at::kDouble)).requires_grad_();
  const Tensor all = gather_rows(mine, comm);
  (all * weight(comm->rank())).sum().backward();
  const Tensor want = (weight(0) + weight(1)).narrow(0, 2 * comm->rank(), 2);
  fmt::print("{} {} gradient {}\n", fmt::join(all.sizes(), "x"), all.sum().item<double>(), at::equal(mine.grad(), want));
}

/// Prints what a call throws and after how many seconds.
template <class Call>
void print_error(Call call) {
  const auto begin = std::chrono::steady_clock::now();
  try {
    call();
    fmt::print("no error\n");
  } catch (const Error& e) {
    fmt::print("{} after {:.2f}: {}\n", name(e.kind()), seconds_since(begin), e.what());
  }
}

void differing_shapes(Comm& comm) {
  Tensor warm = at::ones({4});
  comm.all_reduce_sum(warm);
  Tensor t = comm.rank() == 0 ? at::ones({3, 5}) : at::ones({7}, at::kDouble);
  print_error([&] { comm.all_reduce_sum(t); });
  print_error([&] { comm.barrier(); });
}

void differing_calls(Comm& comm) {
  Tensor t = at::ones({3});
  print_error([&] { comm.rank() == 0 ? comm.all_reduce_sum(t) : comm.broadcast(t, 0); });
}

void killed_peer(Comm& comm) {
  std::signal(SIGTERM, SIG_IGN);  // as eosin's ranks, which only set a flag
  Tensor t = at::ones({3});
  comm.all_reduce_sum(t);
  if (comm.rank() == comm.size() - 1) ::kill(::getpid(), SIGKILL);
  print_error([&] { comm.all_reduce_sum(t); });
}

void stopped_peer(Comm& comm) {
  Tensor t = at::ones({3});
  comm.all_reduce_sum(t);
  if (comm.rank() == comm.size() - 1) ::sleep(60);  // the group ends it when the others have failed
  print_error([&] { comm.all_reduce_sum(t); });
  std::fflush(stdout);
  ::_exit(4);
}

const std::map<std::string, void (*)(Comm&)> kCases = {{"sums_and_copies", sums_and_copies},
                                                       {"differing_shapes", differing_shapes},
                                                       {"differing_calls", differing_calls},
                                                       {"killed_peer", killed_peer},
                                                       {"stopped_peer", stopped_peer}};

TEST(CommRank, Plays) {
  const char* which = std::getenv("EOSIN_TEST_RANK_CASE");
  if (which == nullptr) GTEST_SKIP() << "one rank of the tests below";
  at::set_num_threads(1);
  const auto comm = make_comm(read_launch_env(), std::atof(std::getenv("EOSIN_TEST_TIMEOUT")));
  if (std::string(which) == "gathers_with_gradients")
    gathers_with_gradients(comm);
  else
    kCases.at(which)(*comm);
  std::fflush(stdout);
}

// ------------------------------------------------------------------------------------------ the tests
/// Lines that each rank printed (gtest's own left out).
struct Ranks {
  std::vector<std::vector<std::string>> lines;
  GroupResult result;

  Ranks(int world, const std::string& which, double timeout_s = 30) : lines(static_cast<size_t>(world)) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(fd, 64), 0);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    std::vector<ProcessSpec> specs;
    for (int k = 0; k < world; ++k) {
      ProcessSpec spec{{"/proc/self/exe", "--gtest_filter=CommRank.Plays", "--gtest_brief=1"},
                       {{"EOSIN_TEST_RANK_CASE", which},
                        {"EOSIN_TEST_TIMEOUT", std::to_string(timeout_s)},
                        {"EOSIN_LAUNCH", "1"},
                        {"RANK", std::to_string(k)},
                        {"LOCAL_RANK", std::to_string(k)},
                        {"WORLD_SIZE", std::to_string(world)},
                        {"LOCAL_WORLD_SIZE", std::to_string(world)},
                        {"MASTER_ADDR", "127.0.0.1"},
                        {"MASTER_PORT", std::to_string(ntohs(address.sin_port))},
                        {"EOSIN_STORE_FD", std::to_string(fd)}},
                       k == 0 ? std::optional(fd) : std::nullopt};
      specs.push_back(spec);
    }
    result = run_process_group(specs, {5, [this](size_t k, bool is_stderr, const std::string& line) {
                                         const bool gtest = line.starts_with("[==") || line.starts_with("[  PASSED") ||
                                                            line.starts_with("Running main") || line.starts_with("Note:");
                                         if (!is_stderr && !gtest && !line.empty()) lines[k].push_back(line);
                                       }});
    ::close(fd);
  }
};

TEST(Comm, OneProcess) {
  const auto comm = make_single_comm();
  Tensor t = at::arange(6).view({2, 3});
  comm->all_reduce_sum(t);
  comm->broadcast(t, 0);
  comm->barrier();
  EXPECT_TRUE(at::equal(comm->all_gather(t), at::arange(6).view({2, 3})));
  EXPECT_EQ(comm->size(), 1);
}

class CommWorlds : public ::testing::TestWithParam<int> {};

TEST_P(CommWorlds, SumsAndCopies) {
  const int world = GetParam();
  const Ranks ranks(world, "sums_and_copies");
  EXPECT_EQ(ranks.result.exit_code, 0);
  std::string gathered = fmt::format("gather {}x3 ", 2 * world);
  for (int k = 0; k < world; ++k) gathered += std::string(6, static_cast<char>('0' + k));
  for (const auto& lines : ranks.lines) {
    ASSERT_THAT(lines, SizeIs(4));
    EXPECT_THAT(lines[0], HasSubstr("close true"));
    EXPECT_EQ(lines[0], ranks.lines[0][0]) << "the sum must have the same bits on all ranks";
    EXPECT_EQ(lines[1], "broadcast 5");
    EXPECT_EQ(lines[2], gathered);
    EXPECT_EQ(lines[3], fmt::format("scalar {}", 2.5 * world));
  }
}
INSTANTIATE_TEST_SUITE_P(TwoAndThree, CommWorlds, ::testing::Values(2, 3));

TEST(Comm, AGatherGivesEachRankTheSumOfItsGradients) {
  const Ranks ranks(2, "gathers_with_gradients");
  for (const auto& lines : ranks.lines) EXPECT_THAT(lines, testing::ElementsAre("4x3 18 gradient true"));
  const Tensor t = at::ones({2, 2});
  EXPECT_TRUE(gather_rows(t, make_single_comm()).is_same(t));
}

TEST(Comm, DifferingShapesNameBoth) {
  const Ranks ranks(2, "differing_shapes");
  for (const auto& lines : ranks.lines) {
    ASSERT_THAT(lines, SizeIs(2));
    EXPECT_THAT(lines[0], AllOf(HasSubstr("shape after"), HasSubstr("all_reduce_sum of Float [3, 5]"), HasSubstr("all_reduce_sum of Double [7]")));
    EXPECT_THAT(lines[1], HasSubstr("barrier after an earlier failure"));
  }
}

TEST(Comm, DifferingCallsNameBoth) {
  const Ranks ranks(2, "differing_calls");
  for (const auto& lines : ranks.lines)
    EXPECT_THAT(lines,
                Each(AllOf(HasSubstr("shape after"), HasSubstr("all_reduce_sum of Float [3]"), HasSubstr("broadcast of Float [3] from rank 0"))));
}

TEST(Comm, AKilledPeerIsNamedLongBeforeTheTimeout) {
  const Ranks ranks(2, "killed_peer");
  EXPECT_EQ(ranks.result.exit_code, 128 + SIGKILL);
  ASSERT_THAT(ranks.lines[0], SizeIs(1));
  EXPECT_THAT(ranks.lines[0][0],
              AllOf(ContainsRegex("io after [0-3]\\."), HasSubstr("rank 0 of 2: all_reduce_sum of Float [3] failed, no answer from rank 1")));
}

TEST(Comm, AStoppedPeerIsNamedAtTheTimeout) {
  const Ranks ranks(3, "stopped_peer", 16.0);  // long enough for all to join on a busy machine
  EXPECT_EQ(ranks.result.exit_code, 4);
  for (int k = 0; k < 2; ++k) {
    ASSERT_THAT(ranks.lines[static_cast<size_t>(k)], SizeIs(1));
    EXPECT_THAT(ranks.lines[static_cast<size_t>(k)][0], AllOf(ContainsRegex("io after (16|17|18|19)\\."), HasSubstr("no answer from rank 2")));
  }
}

TEST(Comm, AMissingRankIsAnErrorWhenJoining) {
  LaunchEnv env;
  env.rank = 1;
  env.world = env.local_world = 2;
  env.master_port = 1;  // nobody listens
  try {
    make_comm(env, 1.0);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Io);
    EXPECT_THAT(e.what(), HasSubstr("rank 1 of 2 cannot join the others at 127.0.0.1:1"));
  }
}

}  // namespace
}  // namespace eosin
