"""Forbids a system call, as the engine of a container does with a list that is older than the call, and
becomes a program: forbid.py CALL ERRNO PROGRAM ARGUMENTS...

CALL is the number of the system call, and, where only some uses of it are forbidden, what its arguments
have to be: 72,1=6 has 6 as its second argument, 9,3&1=1,4!=4294967295 has bit 0 set in its fourth, and
another fifth."""

import ctypes
import os
import re
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
LOAD_WORD, AND, JUMP_IF_EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
WHOLE_WORD = 0xFFFFFFFF
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def statement(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def conditions_of(call):
    """(where the word lies in what a filter is given, its bits that count, value, whether it is that)"""
    number, *arguments = call.split(",")
    yield 0, WHOLE_WORD, int(number), True
    for text in arguments:
        place, mask, is_not, value = re.fullmatch(r"(\d)(?:&(\d+))?(!?)=(\d+)", text).groups()
        yield 16 + 8 * int(place), int(mask or WHOLE_WORD), int(value), not is_not


def forbid(call, error_number):
    conditions = list(conditions_of(call))
    text = b""
    for place, (offset, mask, value, is_equal) in enumerate(conditions):
        to_the_end = 3 * (len(conditions) - place - 1) + 1
        jumps = (0, to_the_end) if is_equal else (to_the_end, 0)
        text += statement(LOAD_WORD, offset) + statement(AND, mask) + statement(JUMP_IF_EQUAL, value, *jumps)
    text += statement(RETURN, ERRNO | error_number) + statement(RETURN, ALLOW)
    program = ctypes.create_string_buffer(text, len(text))
    filter = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(text) // 8, ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter)):
        if libc.prctl(*words) != 0:
            sys.exit(f"cannot forbid a system call: {os.strerror(ctypes.get_errno())}")


forbid(sys.argv[1], int(sys.argv[2]))
os.execvp(sys.argv[3], sys.argv[3:])
