"""A process whose memory is locked for good, as that of one that is stuck in a driver: whoever reads
its command line or environment is stuck until it is killed.

    locked_process.py FOLDER

Makes it, prints its pid, and serves a file system (FUSE) in the folder, which nobody else sees. A
write is never answered: so one thread of the process waits for the write, a second one, which
changes the page once more, waits for the first with the mapping locked, and a third one, which
unmaps it, waits for the second with all of the memory locked. Needs root.

When the server is killed, all waiting ends, and the process is killed too.
"""

import ctypes
import os
import signal
import struct
import sys
import threading

MS_PRIVATE, MS_REC, CLONE_NEWNS = 1 << 18, 1 << 14, 0x20000
PROT_READ_WRITE, MAP_SHARED, MS_SYNC, PR_SET_PDEATHSIG = 3, 1, 4, 1
PAGE = 4096
# Requests of the kernel (linux/fuse.h).
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, INIT = 1, 2, 3, 4, 14, 15, 16, 26

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
libc.msync.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


def check(result, what):
    if result < 0:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")


def attributes(node):
    mode = 0o40755 if node == 1 else 0o100644
    return struct.pack("<6Q10I", node, PAGE, 8, *[0] * 6, mode, 1, 0, 0, 0, PAGE, 0)


def answer(operation, node):
    """What follows the header of the answer; None for what the file system doesn't have."""
    if operation == INIT:
        return struct.pack("<4I2H2I2H8I", 7, 31, 0, 0, 0, 0, PAGE, 1, 0, 0, *[0] * 8)
    if operation == LOOKUP:
        return struct.pack("<4Q2I", 2, 0, 1000, 1000, 0, 0) + attributes(2)
    if operation in (GETATTR, SETATTR):
        return struct.pack("<Q2I", 1000, 0, 0) + attributes(node)
    if operation == OPEN:
        return struct.pack("<Q2I", 1, 0, 0)
    return bytes(PAGE) if operation == READ else None


def serve(fuse, written):
    while True:
        _, operation, request, node = struct.unpack_from("<IIQQ", os.read(fuse, 1 << 20))
        if operation == WRITE:
            os.write(written, b"!")
        elif operation != FORGET:
            body = answer(operation, node)
            error = 0 if body is not None else -38  # ENOSYS
            body = body or b""
            os.write(fuse, struct.pack("<IiQ", 16 + len(body), error, request) + body)


def begin(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def wait_until_it_waits(thread):
    state = ""
    while state != "D":
        with open(f"/proc/self/task/{thread.native_id}/stat") as stat:
            state = stat.read().rpartition(")")[2].split()[0]


def lock_memory(file, written):
    address = libc.mmap(None, PAGE, PROT_READ_WRITE, MAP_SHARED, file, 0)
    libc.memset(address, 1, 1)
    begin(libc.msync, address, PAGE, MS_SYNC)
    os.read(written, 1)
    wait_until_it_waits(begin(libc.memset, address, 2, 1))
    wait_until_it_waits(begin(libc.munmap, address, PAGE))
    os.write(1, f"{os.getpid()}\n".encode())
    signal.pause()


def main(folder):
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(None, b"/", None, MS_PRIVATE | MS_REC, None), "mount /")
    try:
        fuse = os.open("/dev/fuse", os.O_RDWR)
    except OSError as problem:
        sys.exit(str(problem))
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0"
    check(libc.mount(b"locked", folder.encode(), b"fuse", 0, options.encode()), "mount FUSE")
    reading_end, writing_end = os.pipe()
    if os.fork() == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.close(fuse)
        lock_memory(os.open(folder + "/file", os.O_RDWR), reading_end)
    serve(fuse, writing_end)


main(sys.argv[1])
