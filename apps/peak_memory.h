#pragma once
#include <c10/core/Device.h>

#include <cstdint>

namespace eosin::apps {

/// The peak of memory since an object of this was made: on a CPU the process's resident memory (Linux), on a GPU what its allocator has given out.
class PeakMemory {
 public:
  explicit PeakMemory(c10::Device device);
  int64_t bytes() const;
  /// Above what there was at the start.
  int64_t growth() const { return bytes() - before_; }

 private:
  c10::Device device_;
  int64_t before_;
};

}  // namespace eosin::apps
