/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The in-flight region, which a hostile front end writes while a back end recovers from it and notes
 * in it. Besides what the sanitizers find: positions lie within the ring, and the list of what is to
 * be done again is no longer than the ring and the oldest is last.
 */

#include <linux/virtio_ring.h>

#include "fuzz.h"
#include "inflight.h"

#define SIZE_MAX_OF_RING 64

enum step { WRITE_REGION, WRITE_RING, RECOVER, TAKE, GIVE, GIVEN, BASE, FORGET, STEPS };

static struct {
	bool packed, net;
	struct vhost_inflight fl;
	struct vring_packed_desc *ring;
	size_t region_size;
	bool ready;
} rig;

static void
recover(struct fuzz_input *in)
{
	uint16_t base = fuzz_u16(in);
	struct vhost_inflight next = { .region = rig.fl.region, .size = rig.fl.size };
	int ret;

	vhost_inflight_fini(&rig.fl);
	rig.fl = next;
	ret = !rig.packed ? vhost_inflight_recover_split(&rig.fl, base) :
		rig.net   ? vhost_inflight_rewind_packed(&rig.fl, rig.ring, &base) :
			    vhost_inflight_recover_packed(&rig.fl, rig.ring, &base);
	rig.ready = ret == 0;
	if (!rig.ready)
		return;
	fuzz_check(!rig.packed || (base & 0x7fff) < rig.fl.size);
	fuzz_check(rig.fl.resubmit.resubmit_num <= rig.fl.size);
	for (uint16_t i = 0; i < rig.fl.resubmit.resubmit_num; i++) {
		const struct rte_vhost_resubmit_desc *d = &rig.fl.resubmit.resubmit_list[i];

		fuzz_check(d->index < rig.fl.size);
		fuzz_check(i == 0 || d->counter <= d[-1].counter);
	}
}

static void
note(struct fuzz_input *in, enum step step)
{
	const uint16_t a = fuzz_u16(in), b = fuzz_u16(in);
	uint16_t entry;

	if (!rig.ready)
		return;
	switch (step) {
	case TAKE:
		if (!rig.packed)
			vhost_inflight_take_split(&rig.fl, a);
		else if (vhost_inflight_take_packed(&rig.fl, rig.ring, a, b, &entry) == 0)
			fuzz_check(entry < rig.fl.size);
		break;
	case GIVE:
		if (rig.packed)
			vhost_inflight_give_packed(&rig.fl, a);
		else
			vhost_inflight_give_split(&rig.fl, a);
		break;
	case GIVEN:
		if (rig.packed)
			vhost_inflight_given_packed(&rig.fl, a);
		else
			vhost_inflight_given_split(&rig.fl, b, a);
		break;
	default:
		if (rig.packed && vhost_inflight_base_packed(&rig.fl, &entry) == 0)
			fuzz_check((entry & 0x7fff) < rig.fl.size);
	}
}

/* Bytes of the input to any place in @a to. */
static void
scribble(struct fuzz_input *in, void *to, size_t size)
{
	const size_t at = fuzz_u16(in) % size;
	size_t n = fuzz_u8(in) % 64;

	n = RTE_MIN(n, size - at);
	fuzz_bytes(in, (uint8_t *)to + at, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	const uint8_t kind = fuzz_u8(&in);

	rig.packed = kind & 1;
	rig.net = kind & 2;
	rig.ready = false;
	rig.fl = (struct vhost_inflight){ .size = 1 + fuzz_u8(&in) % SIZE_MAX_OF_RING };
	rig.region_size = vhost_inflight_size(rig.packed, rig.fl.size);
	rig.fl.region = aligned_alloc(64, rig.region_size);
	rig.ring = calloc(rig.fl.size, sizeof(*rig.ring));
	fuzz_check(rig.fl.region != NULL && rig.ring != NULL);
	memset(rig.fl.region, 0, rig.region_size);

	while (in.left > 0) {
		const enum step step = fuzz_u8(&in) % STEPS;

		if (step == WRITE_REGION)
			scribble(&in, rig.fl.region, rig.region_size);
		else if (step == WRITE_RING)
			scribble(&in, rig.ring, rig.fl.size * sizeof(*rig.ring));
		else if (step == RECOVER)
			recover(&in);
		else if (step == FORGET)
			vhost_inflight_forget(&rig.fl);
		else
			note(&in, step);
	}
	free(rig.fl.region);
	free(rig.ring);
	vhost_inflight_fini(&rig.fl);
	return 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}
