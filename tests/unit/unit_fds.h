/* SPDX-License-Identifier: BSD-3-Clause */

/**
 * @file
 * What a test looks at to see whether descriptors leak. All of them are counted: the lowest number that is
 * free tells nothing of those that leak above others which were closed.
 */

#ifndef UNIT_FDS_H
#define UNIT_FDS_H

#include <dirent.h>

static inline unsigned int
unit_entries(const char *directory)
{
	DIR *dir = opendir(directory);
	unsigned int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/** File descriptors that this process has open. */
static inline unsigned int
unit_open_fds(void)
{
	return unit_entries("/proc/self/fd");
}

#endif /* UNIT_FDS_H */
