#pragma once
// Parsed once for all torch-aware floors (cmake/floors.cmake). Holds torch's own headers only.
#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>
#include <torch/utils.h>
