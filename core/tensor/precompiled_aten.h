#pragma once
// Parsed once for the sources that reach ATen and no more of torch (cmake/precompiled.cmake). Holds torch's own headers only.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
