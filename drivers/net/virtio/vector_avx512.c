/* SPDX-License-Identifier: BSD-3-Clause */

#define VIRTIO_VECTOR_ISA avx512
#define VIRTIO_VECTOR_BYTES 64

#include "vector_functions.h"
