"""Run the application: one process, one socket, ended gracefully by SIGINT and SIGTERM."""

import errno
import socket

import uvicorn
from starlette.types import ASGIApp

from mmrec.errors import ConfigError

_BACKLOG, _KEEP_ALIVE_S, _GRACE_S = 2048, 5, 5


def listen(host: str, port: int) -> socket.socket:
    """Open the socket of a server, before anything slow.

    Raises:
        ConfigError: the port is in use, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen(_BACKLOG)  # two processes may bind one address, but not listen
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port: {port} of {host} is in use by another process; choose another, such as port={port + 1}") from error
        raise ConfigError(f"host: cannot listen on port {port} of `{host}`: {error.strerror or error}") from error
    return opened


def run_server(app: ASGIApp, opened: socket.socket) -> None:
    """Answer requests until SIGINT or SIGTERM; requests that have begun are answered first."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whoever sends X-Forwarded-For would choose their own rate limit
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="on",
    )
    uvicorn.Server(config).run([opened])
