"""Which addresses are the internet's, and that a connection goes to the address that was checked."""

import socket
import time

import httpcore
import pytest

from mmrec.errors import DownloadError
from mmrec.files import public_address as addresses
from mmrec.files.public_address import CheckedBackend, is_public

PUBLIC = ["8.8.8.8", "193.0.6.139", "2a00:1450:4001:80b::200e", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = {
    "loopback": ["127.0.0.1", "127.8.9.1", "::1"],
    "private": ["10.1.2.3", "172.16.0.1", "192.168.1.1", "fc00::1", "fd12:3456::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0"],
    "shared": ["100.64.0.1"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.2.1", "2001:db8::1", "fec0::1", "64:ff9b:1::1"],
    "unspecified": ["0.0.0.0", "::", "0.1.2.3"],
    "holding another": ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "::127.0.0.1"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [address for some in PRIVATE.values() for address in some])
def test_not_public(address: str) -> None:
    assert not is_public(address)


def resolving(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    """Names resolve to `found`; gives the names that were asked for."""
    asked = []

    def resolve(host: str, port: int, **_: object) -> list:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    return asked


class Recorder:
    """Stands in for the backend that connects: notes where to, and fails for some."""

    def __init__(self, *dead: str) -> None:
        self.dead, self.connected = dead, []

    def connect_tcp(self, host: str, *_: object) -> object:
        self.connected.append(host)
        if host in self.dead:
            raise httpcore.ConnectError("refused")
        return httpcore.NetworkStream()


def test_one_bad_address_among_good_ones_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "8.8.8.8", "10.0.0.1")
    backend = CheckedBackend(time.monotonic() + 9)
    backend._backend = recorder = Recorder()
    with pytest.raises(DownloadError, match=r"shop\.example is 10\.0\.0\.1, not a public internet address.*data\.allow_private=true"):
        backend.connect_tcp("shop.example", 443)
    assert recorder.connected == []


def test_the_connection_is_made_to_what_was_checked_and_the_name_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolving(monkeypatch, "8.8.4.4", "8.8.8.8")
    backend = CheckedBackend(time.monotonic() + 9)
    backend._backend = recorder = Recorder("8.8.4.4")
    backend.connect_tcp("shop.example", 443)
    assert recorder.connected == ["8.8.4.4", "8.8.8.8"]
    assert asked == ["shop.example"]


def test_nothing_starts_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "8.8.8.8")
    backend = CheckedBackend(time.monotonic() - 1)
    with pytest.raises(httpcore.ReadTimeout):
        backend.connect_tcp("shop.example", 443)
