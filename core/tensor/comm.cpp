#include "core/tensor/comm.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace eosin {
namespace {

using std::chrono::milliseconds;

class SingleComm final : public Comm {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void all_reduce_sum(Tensor&) override {}
  void broadcast(Tensor&, int root) override { EOSIN_ASSERT(root == 0); }
  Tensor all_gather(const Tensor& t) override { return t.detach().clone(); }
  void barrier() override {}
};

// ------------------------------------------------------------------------------------------ what a rank is about to do
enum class Op : int64_t { kAllReduce, kBroadcast, kAllGather, kBarrier };

/// One collective in numbers: op, root, element type, rank of the tensor, extents. Ranks exchange it before the data, because
/// Gloo ends the process when sizes differ.
using Call = std::array<int64_t, 12>;
constexpr size_t kFirstExtent = 4, kMaxDims = std::tuple_size_v<Call> - kFirstExtent;

Call describe(Op op, const Tensor& t, int root) {
  Call call{};
  call[0] = static_cast<int64_t>(op);
  call[1] = root;
  call[2] = static_cast<int64_t>(t.scalar_type());
  call[3] = t.dim();
  EOSIN_CHECK(t.dim() <= static_cast<int64_t>(kMaxDims), Shape, "[comm] a tensor of {} dimensions (at most {})", t.dim(), kMaxDims);
  std::copy(t.sizes().begin(), t.sizes().end(), call.begin() + kFirstExtent);
  return call;
}

std::string to_string(const Call& call) {
  constexpr const char* kNames[] = {"all_reduce_sum", "broadcast", "all_gather", "barrier"};
  const auto op = static_cast<Op>(call[0]);
  if (op == Op::kBarrier) return "barrier";
  const auto first = call.begin() + kFirstExtent;
  const std::string what =
      fmt::format("{} of {} [{}]", kNames[call[0]], c10::toString(static_cast<at::ScalarType>(call[2])), fmt::join(first, first + call[3], ", "));
  return op == Op::kBroadcast ? fmt::format("{} from rank {}", what, call[1]) : what;
}

// ------------------------------------------------------------------------------------------ Gloo
class GlooComm final : public Comm {
 public:
  GlooComm(const LaunchEnv& env, double timeout_s);
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void all_reduce_sum(Tensor& t) override;
  void broadcast(Tensor& t, int root) override;
  Tensor all_gather(const Tensor& t) override;
  void barrier() override;

 private:
  using Start = std::function<c10::intrusive_ptr<c10d::Work>()>;
  /// Makes sure that all ranks make the same call.
  void agree(const Call& call);
  void run(const Call& call, const Start& start);
  [[noreturn]] void fail_call(const Call& call, const std::string& reason);
  /// Ranks that do not say within a moment that they, too, have failed.
  std::string silent_ranks(const std::string& reason);

  int rank_, size_;
  bool broken_ = false;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

/// First line of a message, without torch's C++ stack.
std::string reason_of(const std::exception& e) {
  const auto* error = dynamic_cast<const c10::Error*>(&e);
  const std::string text = error != nullptr ? error->what_without_backtrace() : e.what();
  return text.substr(0, std::min<size_t>(text.find('\n'), 300));
}

/// c10d prints every failed attempt to connect with a stack; what matters is in our own error.
void quiet_torch_log() {
  if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = static_cast<int>(c10::GLOG_FATAL);
}

constexpr double kJoinTimeout = 300;  // ranks start together; waiting longer hides a mistake

c10::intrusive_ptr<c10d::Store> connect_store(const LaunchEnv& env, milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(env.master_port);
  options.isServer = env.rank == 0 && !env.agent_store;
  options.waitWorkers = false;
  options.timeout = timeout;
  if (options.isServer && env.store_fd >= 0) options.masterListenFd = env.store_fd;
  return c10::make_intrusive<c10d::PrefixStore>(fmt::format("eosin/attempt_{}", env.attempt),
                                                c10::make_intrusive<c10d::TCPStore>(env.master_addr, options));
}

/// Ranks of one node talk over the loopback; otherwise over GLOO_SOCKET_IFNAME or the host's own address.
std::shared_ptr<::gloo::transport::Device> network_device(const LaunchEnv& env) {
  if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME")) return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
  if (env.local_world == env.world) return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  return c10d::ProcessGroupGloo::createDefaultDevice();
}

GlooComm::GlooComm(const LaunchEnv& env, double timeout_s) : rank_(env.rank), size_(env.world) {
  const milliseconds timeout(static_cast<int64_t>(timeout_s * 1000));
  const milliseconds join(static_cast<int64_t>(std::min(timeout_s, kJoinTimeout) * 1000));
  quiet_torch_log();
  try {
    store_ = connect_store(env, join);
    auto options = c10d::ProcessGroupGloo::Options::create(join);
    options->devices.push_back(network_device(env));
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(store_, rank_, size_, options);
  } catch (const std::exception& e) {
    fail(ErrorKind::Io, "[comm] rank {} of {} cannot join the others at {}:{} within {} s ({}): {}; were all ranks started?", env.rank, env.world,
         env.master_addr, env.master_port, join.count() / 1000.0, env.source, reason_of(e));
  }
  group_->setTimeout(timeout);
  store_->setTimeout(milliseconds(1000));  // from here on it only serves to explain failures
}

std::string GlooComm::silent_ranks(const std::string& reason) {
  std::vector<int> silent;
  try {
    store_->set(fmt::format("failed/{}", rank_), std::vector<uint8_t>(reason.begin(), reason.end()));
    for (int attempt = 0; attempt < 8; ++attempt) {
      silent.clear();
      for (int k = 0; k < size_; ++k)
        if (!store_->check({fmt::format("failed/{}", k)})) silent.push_back(k);
      if (silent.empty()) break;
      std::this_thread::sleep_for(milliseconds(50));
    }
  } catch (const std::exception&) {
    return "rank 0, which holds the store, is gone";
  }
  if (silent.empty()) return "all ranks have failed";
  return fmt::format("no answer from rank{} {}", silent.size() == 1 ? "" : "s", fmt::join(silent, ", "));
}

void GlooComm::fail_call(const Call& call, const std::string& reason) {
  broken_ = true;
  fail(ErrorKind::Io, "[comm] rank {} of {}: {} failed, {} ({})", rank_, size_, to_string(call), silent_ranks(reason), reason);
}

void GlooComm::run(const Call& call, const Start& start) {
  EOSIN_CHECK(!broken_, Io, "[comm] rank {} of {}: {} after an earlier failure", rank_, size_, to_string(call));
  try {
    start()->wait();
  } catch (const std::exception& e) {
    fail_call(call, reason_of(e));
  }
}

void GlooComm::agree(const Call& call) {
  constexpr auto kLength = static_cast<int64_t>(std::tuple_size_v<Call>);
  Tensor mine = at::empty({1, kLength}, at::kLong), all = at::empty({size_, kLength}, at::kLong);
  std::copy(call.begin(), call.end(), mine.data_ptr<int64_t>());
  run(call, [&] { return group_->_allgather_base(all, mine); });
  for (int k = 0; k < size_; ++k) {
    Call other;
    std::copy_n(all.data_ptr<int64_t>() + k * kLength, kLength, other.begin());
    if (other == call) continue;
    broken_ = true;
    fail(ErrorKind::Shape, "[comm] ranks differ: rank {} calls {}, rank {} calls {}", rank_, to_string(call), k, to_string(other));
  }
}

void check_tensor(const Tensor& t, const char* op) {
  EOSIN_CHECK(t.defined() && t.is_contiguous(), Shape, "[comm] {} needs a contiguous tensor", op);
}

void GlooComm::all_reduce_sum(Tensor& t) {
  check_tensor(t, "all_reduce_sum");
  const Call call = describe(Op::kAllReduce, t, 0);
  agree(call);
  if (t.numel() == 0) return;
  std::vector<Tensor> list{t.detach()};
  run(call, [&] { return group_->allreduce(list); });
}

void GlooComm::broadcast(Tensor& t, int root) {
  check_tensor(t, "broadcast");
  EOSIN_CHECK(root >= 0 && root < size_, Shape, "[comm] broadcast from rank {} of {}", root, size_);
  const Call call = describe(Op::kBroadcast, t, root);
  agree(call);
  if (t.numel() == 0) return;
  std::vector<Tensor> list{t.detach()};
  c10d::BroadcastOptions options;
  options.rootRank = root;
  run(call, [&] { return group_->broadcast(list, options); });
}

Tensor GlooComm::all_gather(const Tensor& t) {
  check_tensor(t, "all_gather");
  EOSIN_CHECK(t.dim() >= 1, Shape, "[comm] all_gather needs a tensor with a first axis");
  const Call call = describe(Op::kAllGather, t, 0);
  agree(call);
  auto shape = t.sizes().vec();
  shape[0] *= size_;
  Tensor out = at::empty(shape, t.options());
  if (t.numel() == 0) return out;
  Tensor in = t.detach();
  run(call, [&] { return group_->_allgather_base(out, in); });
  return out;
}

void GlooComm::barrier() { agree(Call{static_cast<int64_t>(Op::kBarrier)}); }

}  // namespace

std::shared_ptr<Comm> make_single_comm() { return std::make_shared<SingleComm>(); }

std::shared_ptr<Comm> make_comm(const LaunchEnv& env, double timeout_s) {
  if (env.world == 1) return make_single_comm();
  return std::make_shared<GlooComm>(env, timeout_s);
}

}  // namespace eosin
