#pragma once
// Ranks of one run. Everything of c10d is behind this interface.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace eosin {

/// Collectives over all ranks; every rank calls them in the same order. Tensors are contiguous and of equal shape on all ranks.
/// Errors   Io when a peer is gone (within a second) or a timeout passed, naming the operation and who did not answer; Shape when
///          ranks call different operations or shapes, naming both. After an error the ranks can no longer talk.
/// Checked  tests/tensor/test_comm.cpp: real processes, mismatches, killed and stopped peers.
class Comm {
 public:
  virtual ~Comm() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// In place; the sum is the same on every rank.
  virtual void all_reduce_sum(Tensor& t) = 0;
  virtual void broadcast(Tensor& t, int root) = 0;
  /// [size * n, ...] in rank order from [n, ...] of each rank.
  virtual Tensor all_gather(const Tensor& t) = 0;
  virtual void barrier() = 0;
};

/// One process.
std::shared_ptr<Comm> make_single_comm();

/// Where this process stands, read from torchrun's or SLURM's variables or from our own launcher's.
struct LaunchEnv {
  int rank = 0, world = 1, local_rank = 0, local_world = 1;
  std::string master_addr = "127.0.0.1";
  int master_port = 0;
  bool agent_store = false;       // torchrun owns the store: rank 0 is a client too
  int store_fd = -1;              // rank 0 below our launcher: the listening socket of master_port, so that no port is lost in a race
  int attempt = 0;                // restarts so far: each has keys of its own in the store
  std::string source = "single";  // "eosin launch", "torchrun", "slurm", "environment", "single": printed
};
/// In this order: our launcher, torchrun, SLURM, hand-set RANK and its kin, one process.
/// Errors   Config if the variables are set in part or do not fit each other.
LaunchEnv read_launch_env();

/// First host of SLURM's compressed list: "gpu[07-09,12],login" is gpu07. Config error if it cannot be read.
std::string slurm_first_host(const std::string& node_list);
/// Tasks on the node of that index: ("4(x2),3", 2) is 3.
int slurm_tasks_on_node(const std::string& tasks, int node);

/// Gloo over TCP for world > 1, else the single one.
std::shared_ptr<Comm> make_comm(const LaunchEnv& env, double timeout_s = 1800);

}  // namespace eosin
