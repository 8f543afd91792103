#include "apps/peak_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include <malloc.h>

#include <fstream>
#include <string>

namespace eosin::apps {
namespace {

/// A row of /proc/self/status, in bytes; 0 where there is none.
int64_t own_status(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1)) * 1024;
  return 0;
}

c10::DeviceAllocator& allocator(c10::Device device) { return *c10::getDeviceAllocator(device.type()); }

int64_t allocated_peak(c10::Device device) {
  constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return allocator(device).getDeviceStats(device.index()).allocated_bytes[kAll].peak;
}

}  // namespace

PeakMemory::PeakMemory(c10::Device device) : device_(device) {
  if (device_.is_cpu()) {
    ::malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak becomes the present value
    before_ = own_status("VmRSS");
  } else {
    allocator(device_).resetPeakStats(device_.index());
    before_ = allocated_peak(device_);
  }
}

int64_t PeakMemory::bytes() const { return device_.is_cpu() ? own_status("VmHWM") : allocated_peak(device_); }

}  // namespace eosin::apps
