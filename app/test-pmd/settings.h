/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_SETTINGS_H
#define TESTPMD_SETTINGS_H

/**
 * @file
 * Values that both an option and a command set. Each returns NULL, or one line on what is wrong
 * and how to mend it, which is good until the next call.
 */

const char *settings_engine(const char *word);
const char *settings_txpkts(const char *word);
const char *settings_burst(const char *word);
const char *settings_topology(const char *word);
const char *settings_seq_count(const char *word);
const char *settings_seq_window(const char *word);
const char *settings_seq_size(const char *word);
const char *settings_seq_timeout(const char *word);

#endif /* TESTPMD_SETTINGS_H */
