/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A virtio-user port on a vDPA device of the kernel that the test answers for, where it is as no device of
 * the lab is.
 */

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/virtio_ids.h>

#include "virtio_scripted_vdpa.h"
#include "virtio_user_rig.h"

#define CONTROL BIT(VIRTIO_NET_F_CTRL_VQ)

/* --- what the driver says of it --- */

static char *log_text;
static size_t log_size;
static FILE *log_stream;

static void
log_start(void)
{
	log_stream = open_memstream(&log_text, &log_size);
	assert_non_null(log_stream);
	rte_openlog_stream(log_stream);
	rte_log_set_level_pattern("pmd.net.virtio.*", RTE_LOG_ERR);
}

/* The line, as often as it may be, and no other. */
static void
assert_logged(const char *line)
{
	const char *at;

	rte_log_set_level_pattern("pmd.net.virtio.*", RTE_LOG_EMERG);
	rte_openlog_stream(NULL);
	fclose(log_stream);
	for (at = log_text; strncmp(at, line, strlen(line)) == 0; at += strlen(line))
		;
	if (at == log_text || *at != '\0')
		fail_msg("expected '%s', got '%s'", line, log_text);
	free(log_text);
}

static void
a_change_is_heard_of_after_every_start(void **state)
{
	const unsigned int fds = unit_open_fds();

	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(start(1, 0), 0);
		assert_true(wait_link(true));
		assert_true(set_link(false));
		assert_true(wait_link(false));
		assert_true(set_link(true));
		assert_true(wait_link(true));
		assert_int_equal(rte_eth_dev_stop(port()), 0);
	}
	remove_port();
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_device_of_another_class_is_refused(void **state)
{
	static const uint32_t classes[] = { VIRTIO_ID_BLOCK, VIRTIO_ID_CRYPTO, 0, UINT32_MAX };
	const unsigned int fds = unit_open_fds();
	char line[128];

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(classes); i++) {
		new_device(0);
		hw.class = classes[i];
		log_start();
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), -ENOTSUP);
		snprintf(line, sizeof(line),
			"net_virtio_user0: " DEVICE
			" is a virtio device of type %u, and not a network device (1)\n",
			classes[i]);
		assert_logged(line);
		/* It was asked, and nothing else. */
		assert_string_equal(heard(), "");
	}
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_device_file_that_is_none_of_vhost_vdpa_is_refused(void **state)
{
	const unsigned int fds = unit_open_fds();

	(void)state;
	new_device(0);
	hw.class_error = ENOTTY;
	log_start();
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), -ENOTSUP);
	assert_logged("net_virtio_user0: " DEVICE
		      " is no vhost-vdpa device: Inappropriate ioctl for device\n");
	assert_string_equal(heard(), "");
	assert_int_equal(unit_open_fds(), fds);
}

/* It says so by a status without the bit that was set. */
static void
a_device_that_refuses_the_features_is_not_started(void **state)
{
	const unsigned int fds = unit_open_fds();
	char line[160];

	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	hw.refuses = VIRTIO_CONFIG_S_FEATURES_OK;
	forget();
	log_start();
	assert_int_equal(start(1, 0), -EREMOTEIO);
	assert_true(hw.features & BIT(VIRTIO_F_VERSION_1));
	snprintf(line, sizeof(line),
		"net_virtio_user0: " DEVICE " refuses features %#lx: FEATURES_OK was set, and is "
		"not; it has 0 besides\n",
		(unsigned long)hw.features);
	assert_logged(line);
	/* It was given none of our memory, and not told to begin. */
	assert_null(strchr(heard(), MAP));
	assert_null(strchr(heard(), DRIVER_OK));
	remove_port();
	assert_int_equal(unit_open_fds(), fds);
}

static void
a_device_that_wants_other_features_is_told_which_it_has(void **state)
{
	char line[256];

	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	hw.offers |= BIT(VIRTIO_F_RING_PACKED);
	hw.features_error = EINVAL;
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	log_start();
	assert_int_equal(start(1, 0), -EINVAL);
	snprintf(line, sizeof(line),
		"net_virtio_user0: " DEVICE " refuses features %#lx: Invalid argument; it has "
		"0x400000000 besides: it may take packed rings only (packed_vq=1)\n",
		(unsigned long)hw.features);
	assert_logged(line);
	remove_port();
}

static void
a_device_that_cannot_be_opened_is_told_of_with_a_remedy(void **state)
{
	const struct {
		int error;
		const char *remedy;
	} cases[] = {
		{ EACCES,
			"Permission denied: let this user read and write it (chown, an udev rule, "
			"or the container's --device and --group-add)" },
		{ EPERM,
			"Operation not permitted: the container's device rules do not allow it "
			"(--device)" },
		{ 524,
			"Unknown error 524: there is no IOMMU for it (intel_iommu=on on the "
			"kernel's command line, and VT-d or AMD-Vi in the firmware)" },
		{ EIO, "Input/output error" },
	};
	char line[256];

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		new_device(0);
		hw.open_error = cases[i].error;
		log_start();
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE),
			-cases[i].error);
		snprintf(line, sizeof(line), "net_virtio_user0: cannot open " DEVICE ": %s\n",
			cases[i].remedy);
		assert_logged(line);
	}
	hw.open_error = 0;
}

/* Nothing is taken from a device that may still be at work on it. */
static void
a_reset_that_takes_time_is_waited_for(void **state)
{
	const char *told;

	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	assert_int_equal(start(1, 0), 0);
	forget();
	hw.lingers = 5;
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(hw.lingers, 0);
	told = heard();
	assert_memory_equal(told, "r0-", 3);
	remove_port();
}

static void
a_reset_that_never_ends_is_not_waited_for_for_ever(void **state)
{
	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	hw.status = VIRTIO_CONFIG_S_ACKNOWLEDGE;
	hw.lingers = UINT32_MAX;
	log_start();
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), -ETIMEDOUT);
	assert_logged("net_virtio_user0: " DEVICE " did not reset itself within 1000 ms\n");
	hw.lingers = 0;
}

/* The kernel takes so many pieces of memory, and says "bad address" of one more. */
static void
memory_in_too_many_pieces_is_told_of(void **state)
{
	static const char remedy[] =
		"Bad address: it may be in more pieces than the kernel takes (max_iotlb_entries of "
		"module vhost_vdpa): use hugepages, or larger ones\n";
	static char line[256];
	const char *end;

	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	hw.map_error = EFAULT;
	log_start();
	assert_int_equal(start(1, 0), -EFAULT);
	fflush(log_stream);
	end = strchr(log_text, '\n');
	assert_non_null(end);
	snprintf(line, sizeof(line), "%.*s", (int)(end + 1 - log_text), log_text);
	assert_string_equal(line + strlen(line) - strlen(remedy), remedy);
	assert_logged(line);
	remove_port();
}

/* It says so by its status, and comes back as another one: the port has what that one has. */
static void
a_device_that_fails_is_told_of_and_taken_on_again(void **state)
{
	struct rte_eth_dev_info info;

	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	assert_int_equal(start(1, 0), 0);
	assert_true(wait_link(true));
	log_start();
	pthread_mutex_lock(&hw.lock);
	hw.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	hw.offers |= BIT(VIRTIO_NET_F_CSUM);
	assert_true(hw.told >= 0);
	assert_int_equal(eventfd_write(hw.told, 1), 0);
	pthread_mutex_unlock(&hw.lock);
	assert_true(wait_link(false));
	assert_true(wait_link(true));
	assert_logged("net_virtio_user0: " DEVICE " failed and asks for a reset\n");
	assert_int_equal(rte_eth_dev_info_get(port(), &info), 0);
	assert_false(info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_CKSUM);
	assert_int_equal(rte_eth_dev_stop(port()), 0);
	assert_int_equal(rte_eth_dev_reset(port()), 0);
	assert_int_equal(rte_eth_dev_info_get(port(), &info), 0);
	assert_true(info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_CKSUM);
	assert_int_equal(start(1, 0), 0);
	remove_port();
}

/* What each queue may have is a device's to say, and no number that is not a power of two will do. */
static void
sizes_and_queues_are_what_the_device_has(void **state)
{
	static const uint16_t equal[] = { 128, 128, 128 };
	static const uint16_t uneven[] = { 256, 32, 8 };
	static const uint16_t odd[] = { 100, 256, 5 };
	const struct {
		uint16_t entries;
		const uint16_t *sizes;
		uint16_t queue, control; /* entries that they get */
	} cases[] = {
		{ 256, NULL, 64, 16 },
		{ 32, NULL, 32, 16 },
		{ 8, NULL, 8, 8 },
		{ 100, NULL, 64, 16 },
		{ 256, equal, 64, 16 },
		{ 256, uneven, 32, 8 },
		{ 256, odd, 64, 4 },
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
		hw.offers |= CONTROL;
		hw.entries = cases[i].entries;
		hw.sizes = cases[i].sizes;
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
		/* Queues of 64, if they can be had. */
		assert_int_equal(start(1, 0), 0);
		for (unsigned int q = 0; q < 2; q++)
			assert_int_equal(hw.num[q].num, cases[i].queue);
		assert_int_equal(hw.num[2].num, cases[i].control);
		remove_port();
	}
}

static void
a_device_with_fewer_queues_than_it_claims_has_those(void **state)
{
	struct rte_eth_dev_info info;

	(void)state;
	for (uint32_t queues = 9; queues >= 3; queues -= 2) {
		new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
		hw.offers |= CONTROL | BIT(VIRTIO_NET_F_MQ);
		hw.config.max_virtqueue_pairs = 4;
		hw.queues = queues;
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE ",queues=8"), 0);
		assert_int_equal(rte_eth_dev_info_get(port(), &info), 0);
		assert_int_equal(info.max_rx_queues, queues / 2);
		remove_port();
	}
}

/* Where it can be, and else with the frames: no device is refused for it. */
static void
the_control_queue_has_a_space_of_its_own_where_it_can(void **state)
{
	const uint64_t v2 = BIT(VHOST_BACKEND_F_IOTLB_MSG_V2);
	const uint64_t asid = BIT(VHOST_BACKEND_F_IOTLB_ASID);
	const struct {
		uint64_t has;
		unsigned int spaces;
		uint32_t group;
		int error;
		uint32_t expected;
	} cases[] = {
		{ v2 | asid, 2, 1, 0, 1 },
		{ v2 | asid, 16, 5, 0, 1 },
		{ v2, 2, 1, 0, 0 },
		{ asid, 2, 1, 0, 0 },
		{ v2 | asid, 1, 1, 0, 0 },
		{ v2 | asid, 0, 1, 0, 0 },
		{ v2 | asid, 2, 0, 0, 0 },
		{ v2 | asid, 2, 1, EBUSY, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		new_device(cases[i].has);
		hw.offers |= CONTROL;
		hw.spaces = cases[i].spaces;
		hw.control_group = cases[i].group;
		hw.asid_error = cases[i].error;
		hw.control_asid = UINT32_MAX;
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
		assert_int_equal(start(1, 0), 0);
		assert_int_equal(hw.control_asid, cases[i].expected);
		remove_port();
	}
}

static void
an_address_that_is_none_is_not_taken(void **state)
{
	static const struct rte_ether_addr addresses[] = {
		{ { 0 } },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x01 } },
	};
	struct rte_ether_addr mac;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(addresses); i++) {
		new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
		hw.offers |= BIT(VIRTIO_NET_F_MAC);
		memcpy(hw.config.mac, &addresses[i], sizeof(addresses[i]));
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
		assert_int_equal(rte_eth_macaddr_get(port(), &mac), 0);
		assert_true(rte_is_valid_assigned_ether_addr(&mac));
		remove_port();
	}
}

static void
a_device_that_fails_while_it_starts_is_told_of(void **state)
{
	const unsigned int fds = unit_open_fds();

	(void)state;
	new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2));
	assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
	hw.refuses = VIRTIO_CONFIG_S_DRIVER_OK;
	log_start();
	assert_int_equal(start(1, 0), -EREMOTEIO);
	assert_logged("net_virtio_user0: " DEVICE " has status 0xb where 0xf was set\n");
	remove_port();
	assert_int_equal(unit_open_fds(), fds);
}

/* Ranges are mapped one by one, or between the two ends of a batch: where the kernel has those. */
static void
memory_is_mapped_in_batches_where_the_kernel_takes_them(void **state)
{
	const uint64_t v2 = BIT(VHOST_BACKEND_F_IOTLB_MSG_V2);
	const uint64_t batch = BIT(VHOST_BACKEND_F_IOTLB_BATCH);
	const struct {
		uint64_t has;
		const char *pattern; /* of what is heard of memory; '+' is one or more */
		uint8_t version;
	} cases[] = {
		{ 0, "+", 1 },
		{ v2, "+", 2 },
		{ batch, "(+)", 1 },
		{ v2 | batch, "(+)", 2 },
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		const char *at, *want = cases[i].pattern;
		size_t mapped = 0;

		/* What nobody knows here is not agreed on, whatever the kernel has. */
		new_device(cases[i].has | BIT(63));
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
		assert_int_equal(hw.backend_agreed, cases[i].has);
		forget();
		assert_int_equal(start(1, 0), 0);
		/* From the features on, until it runs. */
		for (at = heard(); *at == STATUS; at++)
			;
		for (; *want != '\0'; want++) {
			assert_int_equal(*at, *want);
			for (at++, mapped += *want == MAP; *want == MAP && *at == MAP; at++)
				mapped++;
		}
		assert_int_equal(*at, DRIVER_OK);
		assert_int_equal(hw.message_version, cases[i].version);
		forget();
		assert_int_equal(rte_eth_dev_stop(port()), 0);
		/* The reset comes first: a device that runs has all of its memory. */
		at = heard();
		assert_int_equal(*at++, RESET);
		assert_int_equal(*at++, IS_RESET);
		if (cases[i].has & batch) {
			assert_int_equal(at[0], BEGIN);
			assert_int_equal(at[strlen(at) - 1], END);
			at++;
		}
		assert_int_equal(strspn(at, "-"), mapped);
		remove_port();
	}
}

/* Once, before the reset, and whatever it answers: the reset is what counts. */
static void
a_device_is_suspended_before_its_reset_where_it_can_be(void **state)
{
	const uint64_t suspend = BIT(VHOST_BACKEND_F_SUSPEND);
	const struct {
		uint64_t has;
		int error;
		const char *begin;
	} cases[] = {
		{ 0, 0, "r" },
		{ suspend, 0, "Sr" },
		{ suspend, EOPNOTSUPP, "Sr" },
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		new_device(BIT(VHOST_BACKEND_F_IOTLB_MSG_V2) | cases[i].has);
		hw.suspend_error = cases[i].error;
		assert_int_equal(rte_vdev_init("net_virtio_user0", "path=" DEVICE), 0);
		assert_int_equal(start(1, 0), 0);
		assert_null(strchr(heard(), SUSPEND));
		forget();
		assert_int_equal(rte_eth_dev_stop(port()), 0);
		assert_memory_equal(heard(), cases[i].begin, strlen(cases[i].begin));
		assert_null(strchr(heard() + 1, SUSPEND));
		remove_port();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_heard_of_after_every_start),
		cmocka_unit_test(a_device_of_another_class_is_refused),
		cmocka_unit_test(a_device_file_that_is_none_of_vhost_vdpa_is_refused),
		cmocka_unit_test(a_device_that_refuses_the_features_is_not_started),
		cmocka_unit_test(a_device_that_wants_other_features_is_told_which_it_has),
		cmocka_unit_test(a_device_that_cannot_be_opened_is_told_of_with_a_remedy),
		cmocka_unit_test(a_reset_that_takes_time_is_waited_for),
		cmocka_unit_test(a_reset_that_never_ends_is_not_waited_for_for_ever),
		cmocka_unit_test(memory_in_too_many_pieces_is_told_of),
		cmocka_unit_test(a_device_that_fails_is_told_of_and_taken_on_again),
		cmocka_unit_test(sizes_and_queues_are_what_the_device_has),
		cmocka_unit_test(a_device_with_fewer_queues_than_it_claims_has_those),
		cmocka_unit_test(the_control_queue_has_a_space_of_its_own_where_it_can),
		cmocka_unit_test(an_address_that_is_none_is_not_taken),
		cmocka_unit_test(a_device_that_fails_while_it_starts_is_told_of),
		cmocka_unit_test(memory_is_mapped_in_batches_where_the_kernel_takes_them),
		cmocka_unit_test(a_device_is_suspended_before_its_reset_where_it_can_be),
	};

	return cmocka_run_group_tests(tests, user_setup, NULL);
}
