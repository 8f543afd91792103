#pragma once
// Ranks of one run. Everything of c10d is behind this interface.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace eosin {

/// Collectives over all ranks; every rank calls them in the same order. Tensors are contiguous and of equal shape on all ranks.
/// Errors   Io when a peer is gone or a timeout passed (names the operation and rank); Shape is never silent: sizes are checked.
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
  bool agent_store = false;  // torchrun owns the store: rank 0 is a client too (platform.md, finding 7)
  std::string source = "single";  // "torchrun", "slurm", "eosin launch", "single": printed
};
/// Config error if the variables are set in part.
LaunchEnv read_launch_env();

/// Gloo over TCP for world > 1, else the single one.
std::shared_ptr<Comm> make_comm(const LaunchEnv& env, double timeout_s = 1800);

}  // namespace eosin
