/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTPMD_ENGINES_H
#define TESTPMD_ENGINES_H

/** @file The engines, each in a file of its own; engines.c has the table. */

#include "engine.h"

extern const struct fwd_engine fwd_engine_csum;
extern const struct fwd_engine fwd_engine_flowgen;
extern const struct fwd_engine fwd_engine_icmpecho;
extern const struct fwd_engine fwd_engine_io;
extern const struct fwd_engine fwd_engine_mac;
extern const struct fwd_engine fwd_engine_macswap;
extern const struct fwd_engine fwd_engine_rxonly;
extern const struct fwd_engine fwd_engine_seq;
extern const struct fwd_engine fwd_engine_seqcheck;
extern const struct fwd_engine fwd_engine_seqgen;
extern const struct fwd_engine fwd_engine_txonly;

#endif /* TESTPMD_ENGINES_H */
