"""The socket that the server listens on, opened before anything else so that a taken port is one clear line."""

import errno
import socket

from app.cli.failures import CliError

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises CliError.

    Connections wait in its queue while the server starts.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as unknown:
        raise CliError(f"--host {host}: there is no such address on this machine") from unknown
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as refused:
        listener.close()
        raise CliError(_why(refused, host, port)) from refused
    return listener


def port_of(listener: socket.socket) -> int:
    """Return the port that a socket listens on."""
    port: int = listener.getsockname()[1]
    return port


def url_of(listener: socket.socket) -> str:
    """Return the address of a listening socket as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def _why(refused: OSError, host: str, port: int) -> str:
    if refused.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken by another program; give another one, or --port 0 for a free one"
    if refused.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} of {host} may not be used by this user; give one above 1023 with --port"
    if refused.errno == errno.EADDRNOTAVAIL:
        return f"--host {host}: there is no such address on this machine"
    return f"{host}:{port} cannot be listened on: {refused.strerror}"
