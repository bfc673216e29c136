"""Members of archives: the named ones alone, plain files inside of the folder, of a size that was allowed."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mmrec.errors import DownloadError
from mmrec.files.archives import extract, unpack_once

CONTENT = {"shop/a.txt": b"A" * 100, "shop/more/b.txt": b"B", "other/c.txt": b"C" * 5000}


def make_zip(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("shop")
        for name, raw in content.items():
            archive.writestr(name, raw)
    return path


def make_tar(path: Path, content: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo("shop")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, raw in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


MAKERS = [pytest.param(make_zip, "x.zip", id="zip"), pytest.param(make_tar, "x.tar.gz", id="tar")]


def below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("make", "name"), MAKERS)
def test_only_the_named_members(tmp_path: Path, make: Callable[..., Path], name: str) -> None:
    archive = make(tmp_path / name, CONTENT)
    assert set(extract(archive, ["shop/a.txt"], tmp_path / "one")) == {"shop/a.txt"}
    assert below(tmp_path / "one") == {"shop/a.txt": b"A" * 100}
    extract(archive, ["shop/", "other/c.txt"], tmp_path / "all")
    assert below(tmp_path / "all") == CONTENT


@pytest.mark.parametrize(("make", "name"), MAKERS)
@pytest.mark.parametrize("member", ["../evil", "/evil", "a/../../evil", "a\\evil", "c:evil", "manifest.json"])
def test_members_outside_of_the_folder(tmp_path: Path, make: Callable[..., Path], name: str, member: str) -> None:
    with pytest.raises(DownloadError, match="would be written outside of its folder"):
        extract(make(tmp_path / name, {member: b"x"}), [member], tmp_path / "into")
    assert not (tmp_path / "into").exists()
    assert {path.name for path in tmp_path.iterdir()} == {name}


@pytest.mark.parametrize(("make", "name"), MAKERS)
def test_too_large(tmp_path: Path, make: Callable[..., Path], name: str) -> None:
    archive = make(tmp_path / name, CONTENT)
    extract(archive, ["shop/"], tmp_path / "fits", max_bytes=101)
    with pytest.raises(DownloadError, match="expected at most 100 bytes unpacked, found more"):
        extract(archive, ["shop/"], tmp_path / "into", max_bytes=100)


def test_a_size_that_is_not_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """zipfile stops at the declared size itself; a stream that goes on is stopped all the same."""
    archive = make_zip(tmp_path / "x.zip", {"a": b"x"})
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: io.BytesIO(b"x" * 1000))
    with pytest.raises(DownloadError, match="at most 10 bytes"):
        extract(archive, ["a"], tmp_path / "into", max_bytes=10)
    assert (tmp_path / "into/a").stat().st_size == 0


def test_what_a_tar_passes_over_counts(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "x.tar.gz", {"bomb": bytes(5_000_000), "a": b"x"})
    with pytest.raises(DownloadError, match="unpacked, found more"):
        extract(archive, ["a"], tmp_path / "into", max_bytes=1000)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_of_a_tar(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("a")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(DownloadError, match="expected `a` to be a plain file"):
        extract(tmp_path / "x.tar.gz", ["a"], tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_links_of_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        member = zipfile.ZipInfo("a")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(DownloadError, match="expected `a` to be a plain file"):
        extract(tmp_path / "x.zip", ["a"], tmp_path / "into")


def test_a_member_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a", "2")
    with pytest.raises(DownloadError, match="the member `a` is repeated"):
        extract(tmp_path / "x.zip", ["a"], tmp_path / "into")


@pytest.mark.parametrize(("make", "name"), MAKERS)
@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty"])
def test_damaged_archives(tmp_path: Path, make: Callable[..., Path], name: str, damage: str) -> None:
    archive = make(tmp_path / name, {"a": bytes(range(256)) * 40})
    raw = bytearray(archive.read_bytes())
    raw[len(raw) // 3] ^= 255
    archive.write_bytes({"cut": raw[: len(raw) // 2], "flipped": raw, "text": b"no archive", "empty": b""}[damage])
    with pytest.raises(DownloadError, match="the archive is damaged or of no known kind"):
        extract(archive, ["a"], tmp_path / "into")


@pytest.mark.parametrize(("make", "name"), MAKERS)
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("x" * 300,)])
def test_names_that_no_folder_can_hold(tmp_path: Path, make: Callable[..., Path], name: str, names: tuple[str, ...]) -> None:
    with pytest.raises(DownloadError, match="the archive is damaged or of no known kind"):
        extract(make(tmp_path / name, dict.fromkeys(names, b"x")), names, tmp_path / "into")


@pytest.mark.parametrize(("make", "name"), MAKERS)
def test_a_member_that_is_missing(tmp_path: Path, make: Callable[..., Path], name: str) -> None:
    with pytest.raises(DownloadError, match=r"expected `shop/a\.tx` in it, found none; did you mean `shop/a\.txt`"):
        extract(make(tmp_path / name, CONTENT), ["shop/a.tx"], tmp_path / "into")


def test_once(tmp_path: Path) -> None:
    archive, fetched = make_zip(tmp_path / "x.zip", CONTENT), []

    def fetch(folder: Path) -> Path:
        fetched.append(folder)
        return archive

    def unpack(version: str) -> dict[str, bytes]:
        unpack_once(tmp_path / "into", {"version": version}, ["shop/a.txt"], fetch)
        return {name: raw for name, raw in below(tmp_path / "into").items() if name != "manifest.json"}

    assert unpack("1") == unpack("1") == {"shop/a.txt": b"A" * 100}
    assert len(fetched) == 1
    (tmp_path / "into/shop/a.txt").write_bytes(b"damaged")
    assert unpack("1") == {"shop/a.txt": b"A" * 100}
    assert unpack("2") == {"shop/a.txt": b"A" * 100}
    assert len(fetched) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"x.zip", "into"}
