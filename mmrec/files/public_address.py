"""Restrict downloads to public addresses, checked at the moment of connecting.

A name is resolved once, all resulting addresses are checked, and the connection is made to a checked address rather than to the name. This
covers redirects, decimal and octal notations, and names that resolve differently the next time.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from mmrec.errors import DownloadError

_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is public: not private, loopback, link-local, shared, multicast, reserved or unspecified.

    IPv6 addresses that embed an IPv4 address (mapped, 6to4, Teredo, NAT64) are public if that is.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not (ip.is_multicast or ip.is_reserved)
    held = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
    if ip in _NAT64:
        held = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return is_public(str(held)) if held is not None else ip in _GLOBAL_V6 and ip.is_global


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to public addresses only, or to any if `allow_private`; all operations end at `deadline` (of `time.monotonic`)."""

    def __init__(self, deadline: float, allow_private: bool = False) -> None:
        self.deadline, self.allow_private = deadline, allow_private
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host. Raises DownloadError if it resolves to a disallowed address, ConnectError if none responds."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} cannot be resolved ({error})") from error
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        if not self.allow_private:
            for address in addresses:
                if not is_public(address):
                    raise DownloadError(f"{host} is {address}, not a public internet address; if it is intended: data.allow_private=true")
        for position, address in enumerate(addresses):
            try:
                within = _within(timeout, self.deadline)
                return _TimedStream(self._backend.connect_tcp(address, port, within, local_address, socket_options), self.deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses) - 1:
                    raise
        raise httpcore.ConnectError(f"the name {host} does not resolve to an address")


class _TimedStream(httpcore.NetworkStream):
    """A connection that is closed at a deadline, even if data keeps arriving slowly."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _within(timeout, self.deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, _within(timeout, self.deadline))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self.stream.start_tls(ssl_context, server_hostname, _within(timeout, self.deadline)), self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def _within(timeout: float | None, deadline: float) -> float:
    """The timeout of one step. Raises ReadTimeout after the deadline."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("timed out")
    return left if timeout is None else min(timeout, left)
