"""opens TCP, UDP, unix and raw sockets, and leaves ports open"""

import socket

from _attempts import reached

_kept = []


class OpensSockets:
    name = "opens_sockets"

    def run(self, payload):
        return reached(
            tcp=_listen,
            udp=_send,
            unix=_abstract,
            raw=_raw,
            resolver=lambda: socket.create_server(("localhost", 0)).close(),
        )


def _listen():
    for _ in range(8):
        _kept.append(socket.create_server(("127.0.0.1", 0)))


def _send():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"secret", ("127.0.0.1", 9))


def _abstract():
    socket.socket(socket.AF_UNIX).bind("\0sightgate-zoo")


def _raw():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
