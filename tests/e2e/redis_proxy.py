"""Stands between the program and a Redis, and holds back the answer to who takes the lock."""

import select
import socket
import threading


class HoldingProxy:
    """Holds back the first answer that gives the lock of the pool away, until `let_go`. All others
    pass at once."""

    def __init__(self, path, server):
        self.path, self.server = path, server
        self.holds = threading.Event()
        self.may_pass = threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.pass_on, args=(client,), daemon=True).start()

    def pass_on(self, client):
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self.server))
            try:
                self.pass_between(client, server)
            except ConnectionError:
                pass  # one of them is gone, and so is the other now

    def pass_between(self, client, server):
        other = {client: server, server: client}
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(1 << 20)
                if not data:
                    return
                # A token of the program is in what asks for the lock, first of all.
                asks = ready is client and b"canhazgpu process " in data
                if ready is server and self.holds.is_set():
                    self.may_pass.wait()
                other[ready].sendall(data)
                if asks and not self.holds.is_set():
                    select.select([server], [], [])
                    self.holds.set()

    def let_go(self):
        self.may_pass.set()

    def close(self):
        self.let_go()
        # Wakes whoever accepts; closing alone would leave it with a number that is given away anew.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
