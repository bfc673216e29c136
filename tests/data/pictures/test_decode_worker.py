"""The process that decodes: limits hold, its death is one picture's problem, nothing of a file's metadata comes out."""

import io
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from mmrec.data.pictures import decode as pictures
from mmrec.data.pictures import decode_worker as picture_worker
from mmrec.data.pictures.decode import decode_picture

SMALL = (40, 30)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    raw = io.BytesIO()
    picture.save(raw, kind, **options)
    return raw.getvalue()


def colours(size: tuple[int, int] = SMALL) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size)


def process() -> subprocess.Popen:
    """That of this thread."""
    decode_picture(encoded(colours(), "PNG"))
    return pictures._of_thread.worker.process


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "secret"
    return encoded(colours((30, 40)), "JPEG", exif=exif)


def sixteen_bits() -> bytes:
    return encoded(Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50), "PNG")


def transparent_palette() -> bytes:
    return encoded(colours().quantize(8), "PNG", transparency=3)


def animated(kind: str) -> bytes:
    return encoded(colours(), kind, save_all=True, append_images=[Image.new("RGB", SMALL)])


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunk(name: bytes, content: bytes) -> bytes:
    """A PNG with one more chunk."""
    raw = encoded(colours(), "PNG")
    return raw[:33] + chunk(name, content) + raw[33:]


SOUND: dict[str, Callable[[], bytes]] = {
    "animated GIF": lambda: animated("GIF"),
    "animated WEBP": lambda: animated("WEBP"),
    "CMYK": lambda: encoded(colours().convert("CMYK"), "JPEG"),
    "16-bit": sixteen_bits,
    "16-bit big-endian": lambda: encoded(Image.frombytes("I;16B", SMALL, bytes(range(240)) * 10), "TIFF"),
    "bits": lambda: encoded(colours().convert("1"), "PNG"),
    "palette with transparency": transparent_palette,
    "grey with transparency": lambda: encoded(colours().convert("LA"), "PNG"),
    "wrong extension": lambda: encoded(colours(), "WEBP"),
    "EXIF rotated": rotated,
    "ICC": lambda: encoded(colours(), "JPEG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    "damaged ICC": lambda: encoded(colours(), "JPEG", icc_profile=b"\0" * 40),
    "damaged EXIF": lambda: encoded(colours(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "AVIF": lambda: encoded(colours(), "AVIF"),
}
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated": (lambda: encoded(colours((400, 300)), "JPEG")[:2000], "damaged"),
    "zero-byte": (lambda: b"", "not a picture"),
    "text": (lambda: b"not found\n", "not a picture"),
    "page": (lambda: b"<!doctype html><title>404</title>", "not a picture"),
    "32-bit": (lambda: encoded(Image.new("F", SMALL), "TIFF"), "32-bit"),
    "bomb in a comment": (lambda: with_chunk(b"zTXt", b"a\0\0" + zlib.compress(b" " * 10**7, 9)), "too large"),
}


@pytest.mark.parametrize("what", SOUND)
def test_odd_pictures_come_out_whole_and_bare(what: str) -> None:
    picture = decode_picture(SOUND[what]())
    assert (picture.mode, picture.size, picture.info, dict(picture.getexif())) == ("RGB", SMALL, {}, {})
    assert len(picture.getcolors(2000)) > 1  # neither black nor white all over


def test_a_single_pixel_is_a_picture() -> None:
    assert decode_picture(encoded(Image.new("RGB", (1, 1), "red"), "PNG")).getpixel((0, 0)) == (255, 0, 0)


def test_of_sixteen_bits_the_upper_eight_are_kept() -> None:
    expected = np.arange(1200).reshape(30, 40) * 50 // 256
    assert np.array_equal(np.array(decode_picture(sixteen_bits()))[:, :, 1], expected)


@pytest.mark.parametrize("what", REFUSED)
def test_pictures_that_cannot_be_used_are_reported(what: str) -> None:
    make, reason = REFUSED[what]
    with pytest.raises(ValueError, match=reason):
        decode_picture(make())


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG")])
def test_pixels_are_those_of_pillow_in_this_process(mode: str, kind: str) -> None:
    """In strips, through a pipe: not a bit is another, also where the last strip is shorter."""
    picture = colours((700, 801)).convert(mode)
    if mode == "RGBA":
        picture.putalpha(colours((700, 801)).convert("L"))
    raw = encoded(picture, kind)
    direct = Image.open(io.BytesIO(raw))
    if mode == "RGBA":
        direct = Image.alpha_composite(Image.new("RGBA", direct.size, "white"), direct)
    assert decode_picture(raw).tobytes() == direct.convert("RGB").tobytes()


def test_as_many_pixels_as_are_allowed_fit_in_its_memory() -> None:
    """WEBP takes the most: 420 MB of address space, measured."""
    assert decode_picture(encoded(Image.new("RGBA", (5_000, 5_000), (9, 9, 9, 9)), "WEBP", quality=1)).size == (5_000, 5_000)


def test_a_bomb_costs_one_error_and_little_memory() -> None:
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(22_000_000), 9)) + chunk(b"IEND", b"")
    assert 20_000 < len(bomb) < 25_000
    pictures._of_thread.worker = None
    pid = process().pid
    with pytest.raises(ValueError, match="12000 x 12000"):
        decode_picture(bomb)
    assert decode_picture(encoded(Image.new("1", (5_000, 5_000)), "PNG")).size == (5_000, 5_000)  # 3 KB, and allowed
    assert process().pid == pid
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert int(status["VmHWM"].split()[0]) < 300 * 1024


def test_a_picture_that_kills_the_process_is_one_problem() -> None:
    first = process()
    os.kill(first.pid, signal.SIGSEGV)
    with pytest.raises(ValueError, match=r"crashes the decoder, which ended with -11"):
        decode_picture(encoded(colours(), "PNG"))
    assert process().pid != first.pid


@pytest.mark.parametrize("raw", [encoded(colours(), "PNG"), bytes(2**20)], ids=["takes too long", "more than a pipe holds"])
def test_a_process_that_does_nothing_is_one_problem(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more bytes than a pipe holds the writing itself would wait for ever."""
    first = process()
    os.kill(first.pid, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "MAX_S", 0.2)
        with pytest.raises(ValueError, match="takes too long"):
            decode_picture(raw)
    assert process().pid != first.pid


def test_the_process_has_limits_and_no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    pictures._of_thread.worker = None
    pid = process().pid
    assert resource.prlimit(pid, resource.RLIMIT_AS)[0] == picture_worker.MAX_MEMORY
    assert resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] == 0
    assert 0 < resource.prlimit(pid, resource.RLIMIT_CPU)[0] < 60
    assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert b"torch" not in Path(f"/proc/{pid}/maps").read_bytes()


def test_each_thread_has_its_own_and_it_ends_with_the_thread() -> None:
    barrier = threading.Barrier(3)

    def decode() -> int:
        barrier.wait()
        return process().pid

    with ThreadPoolExecutor(3) as pool:
        pids = [future.result() for future in [pool.submit(decode) for _ in range(3)]]
    assert len({*pids, process().pid}) == 4
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_decoder_that_does_not_start_is_no_problem_of_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    pictures._of_thread.worker = None
    with pytest.raises(RuntimeError, match="cannot be started"):
        decode_picture(b"")
