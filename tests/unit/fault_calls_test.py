#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Whether each function that librte_vhost calls fails in the fault tests, or is known never to fail.

Usage: fault_calls_test.py ARCHIVE FUNCTION...   (those that fail in the fault tests: tests/unit/meson.build)
"""
import re
import subprocess
import sys

SKIPPED = 77

# Why each of these need not be made to fail.
NEVER_FAIL = {
    "they compute, or look something up": """
        __cmsg_nxthdr __ctype_b_loc __errno_location bcmp memchr memcmp memcpy memmove memset qsort snprintf strchr
        strcmp strcspn strerror strlen strncmp strnlen strrchr strstr strtol strtoul strtoull vsnprintf
        clock_gettime getenv sysconf per_lcore__lcore_id per_lcore__rte_errno rte_cpu_get_flag_enabled
        rte_dev_name rte_mempool_ops_table __rte_pktmbuf_read rte_vect_get_max_simd_bitwidth
        rte_malloc_virt2iova""",
    "they end the program": "__assert_fail __rte_panic __stack_chk_fail abort raise",
    "they give something back": """
        close pthread_cond_destroy pthread_condattr_destroy pthread_detach pthread_join
        pthread_mutex_destroy rte_kvargs_free rte_thread_join shutdown""",
    "glibc's do nothing that could fail, with the arguments that they get": """
        pthread_cond_broadcast pthread_cond_init pthread_cond_signal pthread_cond_wait
        pthread_condattr_init pthread_condattr_setclock pthread_mutex_init pthread_mutex_lock
        pthread_mutex_unlock pthread_once pthread_sigmask sigaction sigaddset sigdelset sigemptyset
        sigfillset sigismember signal""",
    "sanitizers do not survive it: their run time calls these as well, where it is in the program": """
        pthread_key_create pthread_setspecific""",
    "what they wait for may not come: that is not their failure": """
        pthread_cond_timedwait sigtimedwait""",
    "another test has it fail (vdpa_test.c)": "rte_kvargs_parse",
    "before main(), when nothing is served yet": """
        rte_class_register rte_log_register_type_and_pick_level rte_telemetry_register_cmd""",
    "what they say may get lost": "rte_log",
    "what does not fit an answer is not in it": """
        rte_tel_data_add_array_int rte_tel_data_add_array_string rte_tel_data_add_dict_int
        rte_tel_data_add_dict_string rte_tel_data_add_dict_u64 rte_tel_data_add_dict_uint
        rte_tel_data_start_array rte_tel_data_start_dict""",
}
# Of the linker, the loader, and what watches over the program.
TOOLS = re.compile(r"_GLOBAL_OFFSET_TABLE_|__tls_get_addr|__(asan|ubsan|tsan|msan|sanitizer|gcov|llvm)_.*")


def symbols(archive: str, *options: str) -> set[str]:
    text = subprocess.run(["nm", "--format=posix", *options, archive], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    names = (line.split()[0] for line in text.splitlines() if re.match(r"\S+ \S( |$)", line))
    # What checks the size of its buffer is the same function.
    return {re.sub(r"^__(\w+)_chk$", r"\1", name) for name in names}


def main() -> int:
    archive, *fail = sys.argv[1:]
    calls = symbols(archive, "--undefined-only") - symbols(archive, "--defined-only")
    if "malloc" not in calls:
        print(f"{archive} does not say what it calls: no object files (link-time optimization?)")
        return SKIPPED
    never = {name for names in NEVER_FAIL.values() for name in names.split()}
    unknown = sorted(name for name in calls - never - set(fail) if not TOOLS.fullmatch(name))
    both = sorted(never & set(fail))
    for name in unknown:
        print(f"{name}() is called by the library: make it fail (fault_calls in tests/unit/meson.build, "
              "and fault.c), or say here why it never does (NEVER_FAIL)")
    for name in both:
        print(f"{name}() fails, and is said never to")
    print(f"{len(calls)} functions, {len(calls & set(fail))} of them fail in the fault tests")
    return 1 if unknown or both else 0


if __name__ == "__main__":
    sys.exit(main())
