/* SPDX-License-Identifier: BSD-3-Clause */

#define VIRTIO_VECTOR_ISA avx2
#define VIRTIO_VECTOR_BYTES 32

#include "vector_functions.h"
