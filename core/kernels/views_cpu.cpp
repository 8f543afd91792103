// The CPU's form of the device's views: the same text (view_element.h) with a team of one thread a crop.
#include "core/kernels/views.h"

#include <ATen/Parallel.h>

namespace eosin::kernels {
namespace {

struct OneThread {
  template <class F>
  void each(int n, F f) const {
    for (int i = 0; i < n; ++i) f(i);
  }
  template <class F>
  double sum(int n, F f) const {
    double total = 0;
    for (int i = 0; i < n; ++i) total += static_cast<double>(f(i));
    return total;
  }
};

template <class Out>
void render(const ViewTask& task) {
  const int64_t elements = int64_t{3} * task.recipe.size_px * task.recipe.size_px;
  at::parallel_for(0, task.n_crops, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      render_crop(OneThread{}, task.recipe, task.records[c], crop_of(task, c), static_cast<Out*>(task.out) + c * elements);
  });
}

}  // namespace

void render_views_cpu(const ViewTask& task) { task.bfloat16 ? render<uint16_t>(task) : render<float>(task); }

}  // namespace eosin::kernels
