#include "core/tensor/device.h"

#include "core/base/error.h"
#include "core/base/machine.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace eosin::device {
namespace {

namespace fs = std::filesystem;

bool has_driver() { return fs::exists("/proc/driver/nvidia") || fs::exists("/dev/nvidia0"); }

/// The CUDA part beside the binary, or in ../lib.
std::string cuda_library_path() {
  std::error_code none;
  const fs::path folder = fs::read_symlink("/proc/self/exe", none).parent_path();
  for (const fs::path& p : {folder / "libeosin_cuda.so", folder.parent_path() / "lib" / "libeosin_cuda.so"})
    if (fs::exists(p, none)) return p.string();
  return {};
}

struct CudaPart {
  CudaStatus status;
  void* library = nullptr;
};

CudaPart load_cuda() {
  CudaPart part;
  const auto refuse = [&part](std::string why) {
    part.status.why_not = std::move(why);
    return part;
  };
  const std::string path = cuda_library_path();
  part.status.built = !path.empty();
  if (!has_driver()) return refuse("no NVIDIA driver on this machine");
  if (path.empty()) return refuse("this eosin was built without CUDA (nvcc was not found, or EOSIN_CUDA=OFF)");
  part.library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (part.library == nullptr) return refuse(std::string(::dlerror()) + "; scripts/setup --cuda installs the full set of libraries");
  if (!at::hasCUDA()) return refuse("torch's CUDA library finds no usable device");
  part.status.devices = static_cast<int>(at::detail::getCUDAHooks().deviceCount());
  part.status.available = part.status.devices > 0;
  return part;
}

const CudaPart& cuda_part() {
  static const CudaPart part = load_cuda();
  return part;
}

c10::Device cuda_device(int index) {
  const CudaStatus& status = cuda();
  EOSIN_CHECK(status.available, Config, "[device] cuda cannot be used: {}; choose cpu or auto", status.why_not);
  EOSIN_CHECK(index < status.devices, Config, "[device] cuda:{} does not exist (this machine has {}); choose a smaller index", index, status.devices);
  return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace

c10::Device choose(const std::string& word, int local_rank) {
  if (word == "cpu") return c10::kCPU;
  if (word == "auto") return cuda().available ? cuda_device(local_rank % cuda().devices) : c10::Device(c10::kCPU);
  if (word == "cuda") return cuda_device(local_rank);
  const auto index = cuda_index(word);
  EOSIN_CHECK(index, Config, "[device] unknown device '{}' (need cpu, cuda, cuda:N or auto)", word);
  return cuda_device(*index);
}

c10::Device prepare(const RunConfig& run, int local_rank, int local_world) {
  const c10::Device device = choose(run.device, local_rank);  // first: torch remembers whether there was CUDA
  set_deterministic(run.deterministic);                       // before the first call of MKL
  set_threads(run.threads > 0 ? run.threads : std::max<int64_t>(1, usable_cores() / local_world));
  seed(static_cast<uint64_t>(run.seed));
  keep_freed_memory();
  return device;
}

void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);  // never
  ::mallopt(M_TOP_PAD, 64 << 20);
#endif
}

const CudaStatus& cuda() { return cuda_part().status; }

void* cuda_function(const char* name) {
  const CudaPart& part = cuda_part();
  EOSIN_CHECK(part.status.available, Config, "[device] cuda cannot be used: {}", part.status.why_not);
  void* function = ::dlsym(part.library, name);
  EOSIN_ASSERT(function != nullptr);
  return function;
}

void set_threads(int64_t threads) {
  static const bool interop = [] {
    at::set_num_interop_threads(1);  // may be set only once in a process
    return true;
  }();
  (void)interop;
  at::set_num_threads(static_cast<int>(used_threads(threads)));
}

void set_deterministic(bool deterministic) {
  if (deterministic) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  // MKL sums a product in an order that depends on its threads and, by its manual, on where the factors lie in memory. Its switch for that needs
  // the name of an instruction set.
  if (deterministic) ::setenv("MKL_CBWR", __builtin_cpu_supports("avx512f") ? "AVX512,STRICT" : "AVX2,STRICT", 0);
  auto& context = at::globalContext();
  context.setDeterministicAlgorithms(deterministic, false);
  context.setDeterministicFillUninitializedMemory(false);
  context.setDeterministicCuDNN(deterministic);
  context.setDeterministicMkldnn(deterministic);
  context.setBenchmarkCuDNN(!deterministic);
}

void seed(uint64_t seed) { at::manual_seed(seed); }

Autocast::Autocast(c10::Device device, c10::ScalarType dtype) : device_(device.type()), active_(dtype != c10::kFloat) {
  if (!active_) return;
  EOSIN_CHECK(dtype == c10::kBFloat16 || dtype == c10::kHalf, Config, "[precision] autocast to {} is not possible (need bfloat16 or float16)",
              c10::toString(dtype));
  previous_ = at::autocast::is_autocast_enabled(device_);
  previous_dtype_ = at::autocast::get_autocast_dtype(device_);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::set_autocast_dtype(device_, dtype);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();  // weights change at the next step
  at::autocast::set_autocast_enabled(device_, previous_);
  at::autocast::set_autocast_dtype(device_, previous_dtype_);
}

int64_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace eosin::device
