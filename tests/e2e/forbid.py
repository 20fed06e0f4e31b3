"""Forbids a system call, as the engine of a container does with a list that is older than the call, and
becomes a program: forbid.py NUMBER ERRNO PROGRAM ARGUMENTS..."""

import ctypes
import os
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def statement(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def forbid(number, error_number):
    # The number is the first word of what a filter is given.
    text = (statement(LOAD_WORD, 0) + statement(JUMP_IF_EQUAL, number, 0, 1)
            + statement(RETURN, ERRNO | error_number) + statement(RETURN, ALLOW))
    program = ctypes.create_string_buffer(text, len(text))
    filter = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(text) // 8, ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter)):
        if libc.prctl(*words) != 0:
            sys.exit(f"cannot forbid a system call: {os.strerror(ctypes.get_errno())}")


forbid(int(sys.argv[1]), int(sys.argv[2]))
os.execvp(sys.argv[3], sys.argv[3:])
