/* SPDX-License-Identifier: BSD-3-Clause */

#define VIRTIO_VECTOR_ISA neon
#define VIRTIO_VECTOR_BYTES 16

#include "vector_functions.h"
