#include "mil/scan.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

namespace eosin::mil {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kChunk = 64;      // steps between states that the backward pass starts from
constexpr int64_t kMostBlocks = 8;  // of channels with gradient sums of their own, whatever the threads

Tensor on_host(const Tensor& t) { return t.cpu().contiguous(); }

/// Strides of one scan, host and contiguous: u, delta [B, d, L]; b, c [B, L, n].
struct ScanSizes {
  int64_t batch, d, n, length;
};
template <class T>
struct ScanData {
  const T *u, *delta, *a, *b, *c;
};

/// States after every kChunk-th step of a channel, the first zero.
template <class T, class Step>
std::vector<T> chunk_starts(int64_t n, int64_t length, const Step& step) {
  std::vector<T> starts(static_cast<size_t>(((length + kChunk - 1) / kChunk) * n)), state(static_cast<size_t>(n), T(0));
  for (int64_t l = 0; l < length; ++l) {
    if (l % kChunk == 0) std::copy(state.begin(), state.end(), starts.begin() + l / kChunk * n);
    step(l, state.data());
  }
  return starts;
}

template <class T>
auto selective_step(const ScanSizes& s, const ScanData<T>& in, int64_t batch, int64_t channel) {
  const T *u = in.u + (batch * s.d + channel) * s.length, *delta = in.delta + (batch * s.d + channel) * s.length;
  const T *a = in.a + channel * s.n, *b = in.b + batch * s.length * s.n;
  return [=, n = s.n](int64_t l, T* state) {
    const T du = delta[l] * u[l];
    for (int64_t i = 0; i < n; ++i) state[i] = std::exp(delta[l] * a[i]) * state[i] + du * b[l * n + i];
  };
}

template <class T>
void selective_forward(const ScanSizes& s, const ScanData<T>& in, T* y) {
  at::parallel_for(0, s.batch * s.d, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> state(static_cast<size_t>(s.n));
    for (int64_t row = begin; row < end; ++row) {
      const auto step = selective_step(s, in, row / s.d, row % s.d);
      const T* c = in.c + row / s.d * s.length * s.n;
      std::fill(state.begin(), state.end(), T(0));
      for (int64_t l = 0; l < s.length; ++l) {
        step(l, state.data());
        T sum = 0;
        for (int64_t i = 0; i < s.n; ++i) sum += c[l * s.n + i] * state[static_cast<size_t>(i)];
        y[row * s.length + l] = sum;
      }
    }
  });
}

template <class T>
struct ScanGradients {
  T *u, *delta, *a;  // a [B, d, n]
  T *b, *c;          // sums of one block of channels, [L, n]
};

/// One channel of one sequence: from the last step to the first, states computed again a chunk at a time.
template <class T>
void selective_backward_row(const ScanSizes& s, const ScanData<T>& in, const T* dy, int64_t batch, int64_t channel, const ScanGradients<T>& g) {
  const int64_t row = batch * s.d + channel, n = s.n;
  const T *u = in.u + row * s.length, *delta = in.delta + row * s.length, *a = in.a + channel * n;
  const T *b = in.b + batch * s.length * n, *c = in.c + batch * s.length * n;
  const auto step = selective_step(s, in, batch, channel);
  const std::vector<T> starts = chunk_starts<T>(n, s.length, step);
  std::vector<T> states(static_cast<size_t>((kChunk + 1) * n)), carried(static_cast<size_t>(n), T(0));
  for (int64_t chunk = (s.length - 1) / kChunk; chunk >= 0; --chunk) {
    const int64_t first = chunk * kChunk, last = std::min(first + kChunk, s.length);
    std::copy_n(starts.begin() + chunk * n, n, states.begin());
    for (int64_t l = first; l < last; ++l) {
      std::copy_n(states.begin() + (l - first) * n, n, states.begin() + (l - first + 1) * n);
      step(l, states.data() + (l - first + 1) * n);
    }
    for (int64_t l = last - 1; l >= first; --l) {
      const T *before = states.data() + (l - first) * n, *now = before + n;
      T du = 0, ddelta = 0;
      for (int64_t i = 0; i < n; ++i) {
        const T lambda = dy[row * s.length + l] * c[l * n + i] + carried[static_cast<size_t>(i)];
        const T decay = std::exp(delta[l] * a[i]), through = lambda * decay * before[i];
        g.c[l * n + i] += dy[row * s.length + l] * now[i];
        g.b[l * n + i] += lambda * delta[l] * u[l];
        du += lambda * delta[l] * b[l * n + i];
        ddelta += through * a[i] + lambda * b[l * n + i] * u[l];
        g.a[row * n + i] += through * delta[l];
        carried[static_cast<size_t>(i)] = lambda * decay;
      }
      g.u[row * s.length + l] = du, g.delta[row * s.length + l] = ddelta;
    }
  }
}

class SelectiveScan : public torch::autograd::Function<SelectiveScan> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& u, const Tensor& delta, const Tensor& a, const Tensor& b_BLn, const Tensor& c_BLn) {
    ctx->save_for_backward({u, delta, a, b_BLn, c_BLn});
    Tensor y = at::empty_like(u);
    const ScanSizes sizes{u.size(0), u.size(1), a.size(1), u.size(2)};
    AT_DISPATCH_FLOATING_TYPES(u.scalar_type(), "selective_scan", [&] {
      selective_forward<scalar_t>(sizes, data_of<scalar_t>({u, delta, a, b_BLn, c_BLn}), y.mutable_data_ptr<scalar_t>());
    });
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list in = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    const ScanSizes s{in[0].size(0), in[0].size(1), in[2].size(1), in[0].size(2)};
    const int64_t blocks = std::min(kMostBlocks, s.d), per_block = (s.d + blocks - 1) / blocks;
    Tensor du = at::empty_like(in[0]), ddelta = at::empty_like(in[1]), da = at::zeros({s.batch, s.d, s.n}, in[2].options());
    Tensor db = at::zeros({s.batch, blocks, s.length, s.n}, in[3].options()), dc = at::zeros_like(db);
    AT_DISPATCH_FLOATING_TYPES(dy.scalar_type(), "selective_scan_backward", [&] {
      const ScanData<scalar_t> data = data_of<scalar_t>(in);
      at::parallel_for(0, s.batch * blocks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t block = begin; block < end; ++block) {
          const int64_t batch = block / blocks, first = block % blocks * per_block, offset = block * s.length * s.n;
          const ScanGradients<scalar_t> g{du.mutable_data_ptr<scalar_t>(), ddelta.mutable_data_ptr<scalar_t>(), da.mutable_data_ptr<scalar_t>(),
                                          db.mutable_data_ptr<scalar_t>() + offset, dc.mutable_data_ptr<scalar_t>() + offset};
          for (int64_t channel = first; channel < std::min(first + per_block, s.d); ++channel)
            selective_backward_row(s, data, dy.const_data_ptr<scalar_t>(), batch, channel, g);
        }
      });
    });
    return {du, ddelta, da.sum(0), db.sum(1), dc.sum(1)};
  }

 private:
  template <class T>
  static ScanData<T> data_of(const variable_list& in) {
    const auto at = [&](size_t i) { return in[i].template const_data_ptr<T>(); };
    return {at(0), at(1), at(2), at(3), at(4)};
  }
};

template <class T>
struct DiagonalData {
  const T *u, *a_re, *a_im, *c_re, *c_im;
};

template <class T>
class DiagonalRow {
 public:
  using Complex = std::complex<T>;
  DiagonalRow(const DiagonalData<T>& in, int64_t row, int64_t n, int64_t length) : u_(in.u + row * length), length_(length) {
    for (int64_t i = row * n; i < (row + 1) * n; ++i) a_.emplace_back(in.a_re[i], in.a_im[i]), c_.emplace_back(in.c_re[i], in.c_im[i]);
  }

  void forward(T* y) const {
    std::vector<Complex> state(a_.size());
    for (int64_t l = 0; l < length_; ++l) {
      step(l, state.data());
      T sum = 0;
      for (size_t i = 0; i < a_.size(); ++i) sum += c_[i].real() * state[i].real() - c_[i].imag() * state[i].imag();
      y[l] = 2 * sum;
    }
  }

  /// With dL = Re(g dz) for complex z: the real part's gradient is Re g, the imaginary part's -Im g.
  void backward(const T* dy, T* du, std::vector<Complex>& da, std::vector<Complex>& dc) const {
    const size_t n = a_.size();
    const auto width = static_cast<int64_t>(n);
    const std::vector<Complex> starts = chunk_starts<Complex>(width, length_, [this](int64_t l, Complex* s) { step(l, s); });
    std::vector<Complex> states((kChunk + 1) * n), carried(n);
    for (int64_t chunk = (length_ - 1) / kChunk; chunk >= 0; --chunk) {
      const int64_t first = chunk * kChunk, last = std::min(first + kChunk, length_);
      std::copy_n(starts.begin() + chunk * width, width, states.begin());
      for (int64_t l = first; l < last; ++l) {
        std::copy_n(states.begin() + (l - first) * width, width, states.begin() + (l - first + 1) * width);
        step(l, states.data() + (l - first + 1) * width);
      }
      for (int64_t l = last - 1; l >= first; --l) {
        const Complex *before = states.data() + (l - first) * width, *now = before + width;
        T sum = 0;
        for (size_t i = 0; i < n; ++i) {
          const Complex lambda = 2 * dy[l] * c_[i] + carried[i];
          dc[i] += 2 * dy[l] * now[i];
          da[i] += lambda * before[i];
          sum += lambda.real();
          carried[i] = lambda * a_[i];
        }
        du[l] = sum;
      }
    }
  }

 private:
  void step(int64_t l, Complex* state) const {
    for (size_t i = 0; i < a_.size(); ++i)
      state[i] = {a_[i].real() * state[i].real() - a_[i].imag() * state[i].imag() + u_[l],
                  a_[i].real() * state[i].imag() + a_[i].imag() * state[i].real()};
  }

  const T* u_;
  int64_t length_;
  std::vector<Complex> a_, c_;
};

class DiagonalScan : public torch::autograd::Function<DiagonalScan> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& u, const Tensor& a_re, const Tensor& a_im, const Tensor& c_re, const Tensor& c_im) {
    ctx->save_for_backward({u, a_re, a_im, c_re, c_im});
    Tensor y = at::empty_like(u);
    AT_DISPATCH_FLOATING_TYPES(u.scalar_type(), "diagonal_scan", [&] {
      const DiagonalData<scalar_t> data = data_of<scalar_t>({u, a_re, a_im, c_re, c_im});
      at::parallel_for(0, u.size(0), 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
          DiagonalRow<scalar_t>(data, row, a_re.size(1), u.size(1)).forward(y.mutable_data_ptr<scalar_t>() + row * u.size(1));
      });
    });
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list in = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    const int64_t n = in[1].size(1), length = in[0].size(1);
    variable_list out;
    for (const Tensor& t : in) out.push_back(at::empty_like(t));
    AT_DISPATCH_FLOATING_TYPES(dy.scalar_type(), "diagonal_scan_backward", [&] {
      const DiagonalData<scalar_t> data = data_of<scalar_t>(in);
      at::parallel_for(0, in[0].size(0), 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          std::vector<std::complex<scalar_t>> da(static_cast<size_t>(n)), dc(static_cast<size_t>(n));
          DiagonalRow<scalar_t>(data, row, n, length)
              .backward(dy.const_data_ptr<scalar_t>() + row * length, out[0].mutable_data_ptr<scalar_t>() + row * length, da, dc);
          for (int64_t i = 0; i < n; ++i) {
            const auto& ga = da[static_cast<size_t>(i)];
            const auto& gc = dc[static_cast<size_t>(i)];
            const scalar_t parts[] = {ga.real(), -ga.imag(), gc.real(), -gc.imag()};
            for (size_t p = 0; p < 4; ++p) out[p + 1].mutable_data_ptr<scalar_t>()[row * n + i] = parts[p];
          }
        }
      });
    });
    return out;
  }

 private:
  template <class T>
  static DiagonalData<T> data_of(const variable_list& in) {
    const auto at = [&](size_t i) { return in[i].template const_data_ptr<T>(); };
    return {at(0), at(1), at(2), at(3), at(4)};
  }
};

}  // namespace

Tensor selective_scan(const ScanInputs& in) {
  EOSIN_CHECK(in.u_BdL.dim() == 3 && in.delta_BdL.sizes() == in.u_BdL.sizes() && in.a_dn.dim() == 2 && in.a_dn.size(0) == in.u_BdL.size(1), Shape,
              "[selective_scan] u [{}], delta [{}], A [{}] (need [B, d, L] twice and [d, n])", fmt::join(in.u_BdL.sizes().vec(), ", "),
              fmt::join(in.delta_BdL.sizes().vec(), ", "), fmt::join(in.a_dn.sizes().vec(), ", "));
  const std::vector<int64_t> wanted = {in.u_BdL.size(0), in.a_dn.size(1), in.u_BdL.size(2)};
  EOSIN_CHECK(in.b_BnL.sizes().vec() == wanted && in.c_BnL.sizes().vec() == wanted, Shape, "[selective_scan] B [{}], C [{}] (need [{}])",
              fmt::join(in.b_BnL.sizes().vec(), ", "), fmt::join(in.c_BnL.sizes().vec(), ", "), fmt::join(wanted, ", "));
  const FullPrecision full_precision;
  const Tensor u = at_least_float(in.u_BdL);
  const auto column = [](const Tensor& t_d) { return t_d.unsqueeze(1); };
  Tensor delta = in.delta_BdL.to(u.scalar_type());
  if (in.delta_bias_d.defined()) delta = delta + column(in.delta_bias_d);
  if (in.delta_softplus) delta = at::softplus(delta);
  const auto by_step = [&](const Tensor& t_BnL) { return on_host(t_BnL.to(u.scalar_type()).transpose(1, 2)); };
  Tensor y =
      SelectiveScan::apply(on_host(u), on_host(delta), on_host(in.a_dn.to(u.scalar_type())), by_step(in.b_BnL), by_step(in.c_BnL)).to(u.device());
  if (in.d_d.defined()) y = y + column(in.d_d) * u;
  return in.z_BdL.defined() ? y * at::silu(in.z_BdL) : y;
}

Tensor diagonal_scan(const Tensor& u_dL, const Tensor& a_re_dn, const Tensor& a_im_dn, const Tensor& c_re_dn, const Tensor& c_im_dn) {
  EOSIN_CHECK(u_dL.dim() == 2 && a_re_dn.dim() == 2 && a_re_dn.size(0) == u_dL.size(0), Shape, "[diagonal_scan] u [{}], a [{}] (need [d, L], [d, n])",
              fmt::join(u_dL.sizes().vec(), ", "), fmt::join(a_re_dn.sizes().vec(), ", "));
  return DiagonalScan::apply(on_host(u_dL), on_host(a_re_dn), on_host(a_im_dn), on_host(c_re_dn), on_host(c_im_dn)).to(u_dL.device());
}

}  // namespace eosin::mil
