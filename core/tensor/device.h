#pragma once
// Where tensors live and how torch behaves in this process: device, threads, determinism, seed, autocast, memory.
#include "core/base/run_config.h"
#include "core/tensor/tensor.h"

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>

namespace eosin::device {

/// "cpu", "cuda" (this rank's device), "cuda:N", or "auto": cuda where there is one, else cpu.
/// Errors   Config for another word, an index that does not exist, or cuda where it cannot be had (says why).
c10::Device choose(const std::string& word, int local_rank = 0);

/// Everything that a `run` block asks of the process: threads, seed, determinism; returns its device. Freed memory is kept from then on.
/// With several ranks on a node `threads: 0` gives each its share of the cores.
c10::Device prepare(const RunConfig& run, int local_rank = 0, int local_world = 1);

/// Whether CUDA can be used here, and otherwise why not ("no NVIDIA driver", "built without CUDA", "libcudnn.so.9: cannot open ...").
/// The CUDA part is a library of its own (cmake/cuda.cmake), loaded on the first call that finds a driver; a process that never
/// asks starts in 0.2 s with 120 MB. Call before any other use of CUDA by torch, which remembers that there was none.
struct CudaStatus {
  bool built = false;  // the CUDA part lies beside the program
  bool available = false;
  int devices = 0;
  std::string why_not;
};
const CudaStatus& cuda();
/// Address of a function of the CUDA part; Config error where it is not available.
void* cuda_function(const char* name);

/// Threads of torch's operations; 0 = usable_cores(). Between operations one thread is used.
void set_threads(int64_t threads);
/// Same seed, same bits on one device (platform.md section 4): deterministic algorithms only, no autotuning, no uninitialised-memory fill.
void set_deterministic(bool deterministic);
/// Memory that is freed stays with the process. A training step allocates what the one before it has freed; given back to the system, every
/// 4 KiB of it cost a page fault, 10 to 15 % of the CPU time of a ViT-S step. The process then stays as large as its largest step.
void keep_freed_memory();
/// torch's own generators (dropout). Everything else draws from core/base/rng.h.
void seed(uint64_t seed);

/// Runs the enclosed operations in a lower precision where that is safe (autocast). float32 makes it do nothing.
class Autocast {
 public:
  Autocast(c10::Device device, c10::ScalarType dtype);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  c10::ScalarType previous_dtype_ = c10::ScalarType::Undefined;
  bool active_, previous_ = false;
};

/// Peak resident memory of this process, in bytes.
int64_t peak_memory();

}  // namespace eosin::device
