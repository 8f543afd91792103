#pragma once
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// NT-Xent (Chen et al. 2020, arXiv:2002.05709, eq. 1), the loss of SimCLR: with all 2B embeddings normalised, the mean over them of
/// -log( exp(s_pos / t) / sum over the 2B - 1 others of exp(s / t) ).
///
/// Shapes   z0_BD, z1_BD: two views of the same images; returns a scalar.
/// Errors   Shape if they differ in shape.
/// Checked  golden ssl.ntxent; tests/ssl/test_simclr.cpp: the sum written out, gradcheck, any order of the images.
Tensor ntxent_loss(const Tensor& z0_BD, const Tensor& z1_BD, double temperature);

}  // namespace eosin::ssl
