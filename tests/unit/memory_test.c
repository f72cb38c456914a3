/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memfd.h>

#include <cmocka.h>

#include "memory.h"
#include "unit_fds.h"
#include "vhost_user_wire.h"

#define PAGE 4096u
#define FILE_PAGES 64u

/* Each page of the file begins with its own number. */
static int
file(void)
{
	int fd = memfd_create("unit", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, FILE_PAGES * PAGE), 0);
	for (uint64_t i = 0; i < FILE_PAGES; i++)
		assert_int_equal(pwrite(fd, &i, sizeof(i), i * PAGE), sizeof(i));
	return fd;
}

static struct vhost_user_region
region(uint64_t gpa, uint64_t fe_va, uint64_t size, uint64_t offset)
{
	return (struct vhost_user_region){ .gpa = gpa,
		.size = size,
		.fe_va = fe_va,
		.mmap_offset = offset };
}

/* Mappings of files of this name. */
static unsigned int
mappings_of(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int n = 0;
	char line[512];

	while (fgets(line, sizeof(line), maps) != NULL)
		n += strstr(line, name) != NULL;
	fclose(maps);
	return n;
}

/* Of files that file() made. */
static unsigned int
mappings(void)
{
	return mappings_of("memfd:unit");
}

/* Add to *mem and drop the table it replaces. */
static int
extend(struct rte_vhost_memory **mem, struct vhost_user_region r)
{
	struct rte_vhost_memory *grown;
	int fd = file();
	int ret = vhost_memory_add(*mem, &r, fd, &grown);

	if (ret != 0) {
		close(fd);
		return ret;
	}
	vhost_memory_unmap_missing(*mem, grown);
	*mem = grown;
	return 0;
}

static void
region_is_mapped_where_its_offset_says(void **state)
{
	const uint64_t offsets[] = { 0, PAGE, 3 * PAGE, 8, PAGE + 16 };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(offsets); i++) {
		struct rte_vhost_memory *mem = NULL;
		uint64_t len = 8;
		uint64_t *p;

		assert_int_equal(extend(&mem, region(0x100000, 0x7000000, 2 * PAGE, offsets[i])),
			0);
		assert_int_equal(mem->nregions, 1);
		assert_int_equal(mem->regions[0].guest_phys_addr, 0x100000);
		assert_int_equal(mem->regions[0].guest_user_addr, 0x7000000);
		assert_int_equal(mem->regions[0].size, 2 * PAGE);
		p = vhost_memory_from_gpa(mem, 0x100000 + PAGE - offsets[i] % PAGE, &len);
		assert_non_null(p);
		assert_int_equal(*p, offsets[i] / PAGE + 1);
		assert_ptr_equal(p,
			vhost_memory_from_fe_va(mem, 0x7000000 + PAGE - offsets[i] % PAGE, 8));
		vhost_memory_unmap_missing(mem, NULL);
	}
}

/* What begins or ends within a huge page is mapped with all of it, and unmapped. */
static void
mapping_begins_and_ends_where_huge_pages_do(void **state)
{
	const uint64_t huge = 2u << 20;
	const struct {
		uint64_t offset, size, start, len;
	} cases[] = {
		{ PAGE, PAGE, 0, huge },
		{ huge + 8, PAGE, huge, huge },
		{ huge, huge, huge, huge },
		{ huge - PAGE, 2 * PAGE, 0, 2 * huge },
		{ 0, huge + 1, 0, 2 * huge },
	};
	const int fd = memfd_create("unit-huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);

	(void)state;
	if (fd < 0 || ftruncate(fd, (off_t)(2 * huge)) != 0) {
		print_message("no huge pages of 2 MB here\n");
		skip();
	}
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct vhost_mapping m;
		const int ret = vhost_memory_map(fd, cases[i].offset, cases[i].size, &m);

		if (ret == -ENOMEM) {
			print_message("no huge pages are free\n");
			close(fd);
			skip();
		}
		assert_int_equal(ret, 0);
		assert_int_equal(m.len, cases[i].len);
		assert_int_equal(m.at - (uint8_t *)m.addr, cases[i].offset - cases[i].start);
		vhost_memory_unmap(m.addr, m.len);
		assert_int_equal(mappings_of("memfd:unit-huge"), 0);
	}
	close(fd);
}

static void
bad_geometry_is_refused(void **state)
{
	const struct vhost_user_region bad[] = {
		{ 0, 0, 0, 0 },
		{ UINT64_MAX, PAGE, 0, 0 },
		{ UINT64_MAX - PAGE + 2, PAGE, 0, 0 },
		/* Nobody has to think of ends at 2^64. */
		{ UINT64_MAX - PAGE + 1, PAGE, 0, 0 },
		{ 0, PAGE, UINT64_MAX - PAGE + 1, 0 },
		{ 0, PAGE, UINT64_MAX, 0 },
		{ 0, UINT64_MAX, 0, 0 },
		{ 0, UINT64_MAX, 1, UINT64_MAX },
		{ 0, PAGE, 0, UINT64_MAX },
		{ 0, PAGE, 0, INT64_MAX },
		{ 0, PAGE, 0, (uint64_t)INT64_MAX + 1 },
		{ 0, FILE_PAGES * PAGE + 1, 0, 0 },
		{ 0, PAGE, 0, FILE_PAGES * PAGE },
		{ 0, PAGE, 0, FILE_PAGES * PAGE - PAGE + 1 },
	};
	const unsigned int before = mappings();
	const unsigned int fd_before = unit_open_fds();

	(void)state;
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		struct rte_vhost_memory *mem = NULL;

		assert_int_equal(extend(&mem, bad[i]), -EINVAL);
		assert_null(mem);
	}
	assert_int_equal(mappings(), before);
	assert_int_equal(unit_open_fds(), fd_before);
}

static void
memory_that_cannot_be_written_is_refused(void **state)
{
	struct vhost_user_region r = region(0, 0, PAGE, 0);
	struct rte_vhost_memory *mem;
	char path[64];
	int fd = file();
	int readonly;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readonly = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(vhost_memory_add(NULL, &r, readonly, &mem), -EACCES);
	assert_int_equal(vhost_memory_add(NULL, &r, -1, &mem), -EBADF);
	close(readonly);
	close(fd);
}

static void
overlap_in_either_address_space_is_refused(void **state)
{
	struct rte_vhost_memory *mem = NULL;

	(void)state;
	assert_int_equal(extend(&mem, region(8 * PAGE, 8 * PAGE, 4 * PAGE, 0)), 0);
	/* Same, around, within, across either end: in guest physical, then front-end addresses. */
	for (int fe = 0; fe < 2; fe++) {
		const uint64_t starts[][2] = { { 8, 4 }, { 7, 6 }, { 9, 1 }, { 7, 2 }, { 11, 2 } };

		for (size_t i = 0; i < RTE_DIM(starts); i++) {
			const uint64_t a = starts[i][0] * PAGE, size = starts[i][1] * PAGE;

			assert_int_equal(extend(&mem,
						 region(fe ? 32 * PAGE : a, fe ? a : 32 * PAGE,
							 size, 0)),
				-EINVAL);
		}
	}
	/* Adjacent is fine. */
	assert_int_equal(extend(&mem, region(7 * PAGE, 12 * PAGE, PAGE, 0)), 0);
	assert_int_equal(extend(&mem, region(12 * PAGE, 7 * PAGE, PAGE, 0)), 0);
	assert_int_equal(mem->nregions, 3);
	vhost_memory_unmap_missing(mem, NULL);
}

/* One by one, and all together; the file has them all. */
static void
sizes_are_bounded(void **state)
{
	const uint64_t most = VHOST_MEMORY_SIZE_MAX;
	const int fd = memfd_create("unit-large", MFD_CLOEXEC);
	struct vhost_user_region r = region(0, 0, most + PAGE, 0);
	struct rte_vhost_memory *mem, *both;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)(2 * most)), 0);
	assert_int_equal(vhost_memory_add(NULL, &r, fd, &mem), -EINVAL);
	r.size = most / 2;
	assert_int_equal(vhost_memory_add(NULL, &r, dup(fd), &mem), 0);
	r = region(most, most, most / 2 + PAGE, 0);
	assert_int_equal(vhost_memory_add(mem, &r, fd, &both), -EINVAL);
	r.size = most / 2;
	assert_int_equal(vhost_memory_add(mem, &r, dup(fd), &both), 0);
	vhost_memory_unmap_missing(mem, both);
	vhost_memory_unmap_missing(both, NULL);
	close(fd);
}

/* What a guest keeps in its memory is not for who debugs this process. */
static void
guest_memory_is_in_no_core_dump(void **state)
{
	struct rte_vhost_memory *mem = NULL;
	bool within = false, found = false;
	char line[512];
	FILE *maps;

	(void)state;
	assert_int_equal(extend(&mem, region(0, 0, PAGE, 0)), 0);
	maps = fopen("/proc/self/smaps", "r");
	while (fgets(line, sizeof(line), maps) != NULL) {
		/* Lines of a mapping begin with its addresses, and end with its flags. */
		if (strstr(line, "-") != NULL && strstr(line, " rw-s ") != NULL)
			within = strstr(line, "memfd:unit") != NULL;
		if (within && strncmp(line, "VmFlags:", 8) == 0) {
			found = true;
			assert_non_null(strstr(line, " dd"));
			within = false;
		}
	}
	fclose(maps);
	assert_true(found);
	vhost_memory_unmap_missing(mem, NULL);
}

static void
slots_are_bounded(void **state)
{
	struct rte_vhost_memory *mem = NULL;

	(void)state;
	for (uint64_t i = 0; i < VHOST_MEMORY_SLOTS_MAX; i++)
		assert_int_equal(extend(&mem, region(i * PAGE, i * PAGE, PAGE, 0)), 0);
	assert_int_equal(extend(&mem, region(UINT32_MAX, UINT32_MAX, PAGE, 0)), -ENOSPC);
	vhost_memory_unmap_missing(mem, NULL);
}

static void
removal_needs_the_very_region(void **state)
{
	struct rte_vhost_memory *mem = NULL, *less;
	const struct vhost_user_region r = region(PAGE, 2 * PAGE, 3 * PAGE, PAGE);
	struct vhost_user_region other[3] = { r, r, r };

	(void)state;
	assert_int_equal(vhost_memory_remove(NULL, &r, &less), -ENOENT);
	assert_int_equal(extend(&mem, r), 0);
	assert_int_equal(extend(&mem, region(64 * PAGE, 64 * PAGE, PAGE, 0)), 0);
	other[0].gpa += PAGE;
	other[1].fe_va += PAGE;
	other[2].size -= PAGE;
	for (size_t i = 0; i < RTE_DIM(other); i++)
		assert_int_equal(vhost_memory_remove(mem, &other[i], &less), -ENOENT);

	assert_int_equal(vhost_memory_remove(mem, &r, &less), 0);
	assert_int_equal(mem->nregions, 2);
	assert_int_equal(less->nregions, 1);
	/* Still mapped for whoever reads the old table. */
	assert_int_equal(*(uint64_t *)vhost_memory_from_fe_va(mem, 2 * PAGE, 8), 1);
	vhost_memory_unmap_missing(mem, less);
	assert_null(vhost_memory_from_fe_va(less, 2 * PAGE, 8));
	assert_non_null(vhost_memory_from_fe_va(less, 64 * PAGE, 8));
	vhost_memory_unmap_missing(less, NULL);
}

static void
front_end_addresses_are_bounded_by_one_region(void **state)
{
	struct rte_vhost_memory *mem = NULL;

	(void)state;
	assert_int_equal(extend(&mem, region(0, 4 * PAGE, 2 * PAGE, 0)), 0);
	assert_int_equal(extend(&mem, region(2 * PAGE, 6 * PAGE, 2 * PAGE, 2 * PAGE)), 0);
	assert_non_null(vhost_memory_from_fe_va(mem, 4 * PAGE, 2 * PAGE));
	assert_null(vhost_memory_from_fe_va(mem, 4 * PAGE, 2 * PAGE + 1));
	assert_null(vhost_memory_from_fe_va(mem, 4 * PAGE + 1, UINT64_MAX));
	assert_null(vhost_memory_from_fe_va(mem, 4 * PAGE - 1, 1));
	assert_non_null(vhost_memory_from_fe_va(mem, 8 * PAGE - 1, 1));
	assert_null(vhost_memory_from_fe_va(mem, 8 * PAGE, 1));
	assert_null(vhost_memory_from_fe_va(mem, UINT64_MAX, 1));
	vhost_memory_unmap_missing(mem, NULL);
}

static void
guest_addresses_are_cut_at_the_end_of_a_region(void **state)
{
	struct rte_vhost_memory *mem = NULL;
	uint64_t len = 3 * PAGE;

	(void)state;
	assert_int_equal(extend(&mem, region(4 * PAGE, 0, 2 * PAGE, 0)), 0);
	assert_non_null(vhost_memory_from_gpa(mem, 5 * PAGE, &len));
	assert_int_equal(len, PAGE);
	len = UINT64_MAX;
	assert_null(vhost_memory_from_gpa(mem, 6 * PAGE, &len));
	assert_int_equal(len, 0);
	len = 1;
	assert_null(vhost_memory_from_gpa(mem, 4 * PAGE - 1, &len));
	vhost_memory_unmap_missing(mem, NULL);
}

/* What the table should be: for each page of a small address space, its file page or nothing. */
#define SPACE 128u
struct model {
	struct vhost_user_region regions[SPACE];
	unsigned int n;
	int gpa_page[SPACE];
	int fe_page[SPACE];
};

static bool
model_takes(const struct model *m, const struct vhost_user_region *r)
{
	for (uint64_t i = 0; i < r->size / PAGE; i++)
		if (m->gpa_page[r->gpa / PAGE + i] >= 0 || m->fe_page[r->fe_va / PAGE + i] >= 0)
			return false;
	return true;
}

static void
model_set(struct model *m, const struct vhost_user_region *r, bool present)
{
	for (uint64_t i = 0; i < r->size / PAGE; i++) {
		int page = present ? (int)(r->mmap_offset / PAGE + i) : -1;

		m->gpa_page[r->gpa / PAGE + i] = page;
		m->fe_page[r->fe_va / PAGE + i] = page;
	}
}

static void
compare(const struct model *m, const struct rte_vhost_memory *mem)
{
	assert_int_equal(mem == NULL ? 0 : mem->nregions, m->n);
	if (mem == NULL)
		return;
	for (uint32_t i = 1; i < mem->nregions; i++)
		assert_true(mem->regions[i - 1].guest_phys_addr < mem->regions[i].guest_phys_addr);
	for (uint64_t page = 0; page < SPACE; page++) {
		uint64_t len = PAGE;
		const uint64_t *p = vhost_memory_from_gpa(mem, page * PAGE, &len);
		const uint64_t *q = vhost_memory_from_fe_va(mem, page * PAGE, PAGE);

		assert_int_equal(p == NULL ? -1 : (int)*p, m->gpa_page[page]);
		assert_int_equal(len, p == NULL ? 0 : PAGE);
		assert_int_equal(q == NULL ? -1 : (int)*q, m->fe_page[page]);
	}
}

static void
random_tables_agree_with_a_model(void **state)
{
	const unsigned int maps_before = mappings();
	const unsigned int fd_before = unit_open_fds();

	(void)state;
	for (unsigned int seed = 1; seed <= 20; seed++) {
		struct rte_vhost_memory *mem = NULL, *less;
		struct model m = { .n = 0 };

		srandom(seed);
		memset(m.gpa_page, 0xff, sizeof(m.gpa_page));
		memset(m.fe_page, 0xff, sizeof(m.fe_page));
		for (int step = 0; step < 200; step++) {
			struct vhost_user_region r;
			uint64_t pages = 1 + random() % 8;

			if (m.n > 0 && random() % 3 == 0) {
				unsigned int victim = random() % m.n;

				r = m.regions[victim];
				assert_int_equal(vhost_memory_remove(mem, &r, &less), 0);
				vhost_memory_unmap_missing(mem, less);
				mem = less;
				model_set(&m, &r, false);
				m.regions[victim] = m.regions[--m.n];
			} else {
				r = region((random() % (SPACE - 8)) * PAGE,
					(random() % (SPACE - 8)) * PAGE, pages * PAGE,
					(random() % (FILE_PAGES - 8)) * PAGE);
				if (model_takes(&m, &r)) {
					assert_int_equal(extend(&mem, r), 0);
					model_set(&m, &r, true);
					m.regions[m.n++] = r;
				} else {
					assert_int_equal(extend(&mem, r), -EINVAL);
				}
			}
			compare(&m, mem);
		}
		vhost_memory_unmap_missing(mem, NULL);
	}
	assert_int_equal(mappings(), maps_before);
	assert_int_equal(unit_open_fds(), fd_before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(region_is_mapped_where_its_offset_says),
		cmocka_unit_test(mapping_begins_and_ends_where_huge_pages_do),
		cmocka_unit_test(bad_geometry_is_refused),
		cmocka_unit_test(memory_that_cannot_be_written_is_refused),
		cmocka_unit_test(overlap_in_either_address_space_is_refused),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(guest_memory_is_in_no_core_dump),
		cmocka_unit_test(slots_are_bounded),
		cmocka_unit_test(removal_needs_the_very_region),
		cmocka_unit_test(front_end_addresses_are_bounded_by_one_region),
		cmocka_unit_test(guest_addresses_are_cut_at_the_end_of_a_region),
		cmocka_unit_test(random_tables_agree_with_a_model),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
