#pragma once
// Parsed once for the sources that reach torch's modules or autograd (cmake/precompiled.cmake). Holds torch's own headers only.
#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>
