"""A client of a Redis, and the names of what the program keeps there."""

import socket

POOL = "canhazgpu:pool"
EVENTS = "canhazgpu:events"
LOCK = "canhazgpu:lock"


class Redis:
    """One connection; replies are None, numbers, texts and lists."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.replies = self.socket.makefile("rb")

    def __call__(self, *words):
        encoded = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(encoded) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
        return self.reply()

    def reply(self):
        line = self.replies.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind in b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return self.replies.read(int(rest) + 2)[:-2].decode()

    def close(self):
        self.replies.close()
        self.socket.close()
