#pragma once
// Linear recurrences along a bag. Memory beyond inputs and outputs does not grow with N but for the gradients: states are computed again.
#include "core/tensor/tensor.h"

namespace eosin::mil {

struct ScanInputs {
  Tensor u_BdL, delta_BdL, a_dn, b_BnL, c_BnL;
  Tensor d_d, delta_bias_d, z_BdL;  // each may be undefined
  bool delta_softplus = false;
};
/// Selective scan (Gu and Dao 2023, arXiv:2312.00752, alg. 2): s_l = exp(delta_l A) s_{l-1} + delta_l B_l u_l, y_l = C_l s_l + D u_l, times SiLU(z).
/// On the host; tensors of a device are brought there and back. The same bits for any number of threads.
///
/// Shapes   [B, d, L]. float32 or float64.
/// Errors   Shape if the shapes do not fit.
/// Checked  golden mil.selective_scan; tests/mil/test_scan.cpp.
Tensor selective_scan(const ScanInputs& in);

/// y_l = 2 Re sum_n c_n s_{n, l}, s_{n, l} = a_n s_{n, l-1} + u_l with complex a and c: a convolution with the kernel 2 Re sum c_n a_n^l.
///
/// Shapes   u [d, L]; a and c [d, n], real and imaginary parts apart; returns [d, L].
/// Checked  golden mil.s4; tests/mil/test_scan.cpp.
Tensor diagonal_scan(const Tensor& u_dL, const Tensor& a_re_dn, const Tensor& a_im_dn, const Tensor& c_re_dn, const Tensor& c_im_dn);

}  // namespace eosin::mil
