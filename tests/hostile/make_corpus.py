"""Makes the hostile artefacts, each in a folder of its own: `<corpus>/<entry>/<name>/`, `entry` being the way in which it will be read.

What would run code makes the folder `owned` beside them, so that nobody can miss it. No artefact is larger than a megabyte.
"""

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from make_configs import ESCAPES, configs, hydra_files
from make_exhausting import INTERACTIONS, exhausting
from make_links import link_to, links
from make_runs import received_runs
from make_stores import STORED_NAMES
from PIL import Image

Content = bytes | str | Callable[[Path], None]
"""Of one file: bytes, text, or what makes it at a path."""
DEEP = 100_000


SOUND = {
    "tables": "sound",
    "pictures": "sound.png",
    "stores": "sound",
    "checkpoints": "sound",
    "wheels": "sound",
    "runs": "vectors without users",
    "received": "sound",
    "configs": "os.system",
}
"""One of most entries that is always made: whoever reads the corpus reads these first."""


def make_corpus(corpus: Path, step: int) -> None:
    """Writes every `step`-th artefact of each entry below `corpus`, and those of `SOUND`."""
    owned = corpus / "owned"
    entries = {
        "tables": tables(owned),
        "pictures": pictures(owned),
        "stores": stores(owned),
        "weights": {name: {"weights.safetensors": raw} for name, raw in tensors(owned).items()},
        "cache": {name: {f"{'0' * 64}.safetensors": raw} for name, raw in tensors(owned).items()},
        "checkpoints": checkpoints(owned),
        "configs": configs(owned),
        "hydra": hydra_files(owned),
        "wheels": wheels(),
        "runs": runs(owned),
        "received": received_runs(owned, corpus / "shop"),
    }
    for entry, artefacts in entries.items():
        for name in {*sorted(artefacts)[::step], SOUND.get(entry)} - {None}:
            for path, content in artefacts[name].items():
                write(corpus / entry / name / path, content)


def write(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if callable(content):
        content(path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def later(make: Callable[[], bytes]) -> Callable[[Path], None]:
    """What takes long to make: made only if it is written."""
    return lambda path: write(path, make())


def pickled(owned: Path) -> bytes:
    """Makes the folder when it is loaded; in the oldest protocol, hence ASCII."""
    return f"cos\nmkdir\n(S'{owned}'\ntR.".encode()


def zstd(raw: bytes) -> bytes:
    return pa.compress(raw, codec="zstd", asbytes=True)


def tarred(owned: Path) -> bytes:
    """Members that climb, that are absolute, and links to both."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name in ("../../owned", str(owned), "interactions.csv"):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = (tarfile.SYMTYPE, "/etc/passwd") if name.endswith(".csv") else (tarfile.DIRTYPE, "")
            archive.addfile(member)
    return raw.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return raw.getvalue()


def png(width: int = 8, height: int = 8, content: bytes | None = None) -> bytes:
    """Black, or whatever is said to be its pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    pixels = zlib.compress(bytes((1 + 3 * width) * height), 9) if content is None else content
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def parquet(table: pa.Table) -> bytes:
    raw = io.BytesIO()
    pq.write_table(table, raw, compression="zstd")
    return raw.getvalue()


def tables(owned: Path) -> dict[str, dict[str, Content]]:
    """Folders of a dataset whose tables are not what they say."""
    load, sound = pickled(owned), {"interactions.csv": INTERACTIONS}
    stems = ("csv", "tsv", "jsonl", "parquet", "csv.gz", "csv.zst", "jsonl.gz", "parquet.zst")
    beside = (
        "items.json",
        "items.yaml",
        "items.pkl",
        "items.npy",
        "image.npy",
        "text.safetensors",
        "triples.nt",
        "triples.ttl",
        "kg.graphml",
    )
    found: dict[str, dict[str, Content]] = {"sound": sound}
    found |= {f"pickle as {suffix}": {f"interactions.{suffix}": load} for suffix in stems}
    found |= {f"pickle beside as {name}": sound | {name: load} for name in beside}
    found |= {"pickle in gzip": {"interactions.csv.gz": gzip.compress(load)}, "pickle in zstd": {"interactions.jsonl.zst": zstd(load)}}
    found |= {f"pickle as {name}": sound | {name: load} for name in ("items.csv", "triples.tsv", "users.jsonl", "item_entities.parquet")}
    return found | archives(owned) | texts() | links() | exhausting()


def archives(owned: Path) -> dict[str, dict[str, Content]]:
    """Other containers, bombs, and damaged Parquet."""
    return {
        "tar as csv": {"interactions.csv": tarred(owned)},
        "tar in gzip": {"interactions.csv.gz": gzip.compress(tarred(owned))},
        "zip as parquet": {"interactions.parquet": zipped({"../../owned/x": b"x"})},
        "zip as csv": {"interactions.csv": zipped({"interactions.csv": INTERACTIONS.encode()})},
        "gzip bomb": {"interactions.csv.gz": later(lambda: gzip.compress(b"user_id,item_id\n" + b"u,i\n" * 40_000_000, 1)[: 2**20])},
        "gzip bomb in one line": {"interactions.csv.gz": later(lambda: gzip.compress(bytes(200_000_000)))},
        "zstd bomb": {"interactions.jsonl.zst": later(lambda: zstd(b'{"user_id":"u","item_id":"i"}\n' * 10_000_000))},
        "parquet bomb": {
            "interactions.parquet": later(lambda: parquet(pa.table({"user_id": pa.nulls(30_000_000), "item_id": pa.nulls(30_000_000)})))
        },
        "parquet cut": {"interactions.parquet": parquet(pa.table({"user_id": ["u"] * 99, "item_id": ["i"] * 99}))[40:]},
        "parquet overwritten": {"interactions.parquet": overwritten(parquet(pa.table({"user_id": [*"uv"] * 99, "item_id": [*"ij"] * 99})))},
        "parquet of nested lists": {"interactions.parquet": parquet(pa.table({"user_id": [[["u"]]], "item_id": [{"a": 1}]}))},
    }


def texts() -> dict[str, dict[str, Content]]:
    """Lines that a parser may trip over, and markup beside a sound table."""
    sound = {"interactions.csv": INTERACTIONS}
    return {
        "deep json list": {"interactions.jsonl": '{"user_id":"u","item_id":' + "[" * DEEP + "]" * DEEP + "}\n"},
        "deep json object": {"interactions.jsonl": '{"user_id":"u","item_id":' + '{"a":' * DEEP + "1" + "}" * DEEP + "}\n"},
        "deep items": sound | {"items.jsonl": '{"item_id":"i"}\n{"item_id":' + "[" * 3000 + "]" * 3000 + "}\n"},
        "json half surrogates": {"interactions.jsonl": '{"user_id":"\\ud800","item_id":"i"}\n{"user_id":"u","item_id":"i"}\n'},
        "json huge numbers": {"interactions.jsonl": '{"user_id":' + "9" * 5000 + ',"item_id":1}\n{"user_id":1e999,"item_id":1}\n'},
        "json of all kinds": {"interactions.jsonl": '{"user_id":1,"item_id":[1]}\n{"user_id":{"a":1},"item_id":"x"}\n{"user_id":null}\n'},
        "json a million keys": {"interactions.jsonl": "{" + ",".join(f'"k{n}":1' for n in range(50_000)) + "}\n"},
        "csv a million columns": {"interactions.csv": "user_id,item_id," + ",".join(map(str, range(100_000))) + "\nu,i\n"},
        "csv one long field": {"interactions.csv": "user_id,item_id\nu," + "x" * 900_000 + "\n"},
        "csv long quoted": {"interactions.csv": 'user_id,item_id\nu,"' + "x\n" * 400_000},
        "csv quotes without end": {"interactions.csv": 'user_id,item_id\n"' * 300},
        "csv nul": {"interactions.csv": "user_id,item_id\nu\0v,i\n\0,\0\n"},
        "csv escapes": {"interactions.csv": f"user_id,item_id,timestamp\nu,i,{ESCAPES}\n"},
        "csv escapes in the header": {"interactions.csv": f"{ESCAPES},item_id\nu,i\n"},
        "csv escapes in ids": sound | {"items.csv": f"item_id\n{ESCAPES}\n{ESCAPES}\n"},
        "csv formulas": {"interactions.csv": "user_id,item_id\n=cmd|'/c calc'!A0,@SUM(1)\n"},
        "csv utf-16 without end": {"interactions.csv": b"\xff\xfeu\0s"},
        "csv invalid utf-8": {"interactions.csv": b"user_id,item_id\n\xff\xc0\xaf,i\n"},
        "csv empty": {"interactions.csv": b""},
        "csv carriage returns": {"interactions.csv": "user_id,item_id\ru,i\rv,j\r"},
        "graphml laughs": sound | {"triples.graphml": laughs()},
        "graphml external": sound | {"triples.graphml": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><graphml>&b;</graphml>'},
        "turtle import": sound | {"triples.ttl": "<> <http://www.w3.org/2002/07/owl#imports> <http://127.0.0.1:9/> .\n"},
        "url as image": sound | {"items.csv": "item_id,image\ni,http://127.0.0.1:9/a.png\nj,file:///etc/passwd\n"},
    }


def overwritten(raw: bytes) -> bytes:
    """Every seventh byte of the pages another."""
    changed = bytearray(raw)
    for position in range(4, len(raw) // 3, 7):
        changed[position] ^= 0x55
    return bytes(changed)


def laughs() -> str:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE a [<!ENTITY l0 "ha">{entities}]><graphml><key>&l11;</key></graphml>'


def pictures(owned: Path) -> dict[str, dict[str, Content]]:
    """Datasets of one item whose picture is none, or none of theirs."""
    gif = io.BytesIO()
    Image.new("P", (1, 1)).save(gif, "GIF")
    canvas = gif.getvalue()[:6] + b"\xff\xff\xff\xff" + gif.getvalue()[10:]
    objects = io.BytesIO()
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    files: dict[str, Content] = {
        "sound.png": png(),
        "pickle.png": pickled(owned),
        "pickle.jpg": pickled(owned),
        "objects.npy": objects.getvalue(),
        "bomb.png": later(lambda: png(12_000, 12_000, zlib.compress(bytes(22_000_000), 9))),
        "short.png": later(lambda: png(5_000, 5_000, zlib.compress(bytes(22_000_000), 9))),
        "long.png": later(lambda: png(8, 8, zlib.compress(bytes(200_000_000), 9))),
        "canvas.gif": canvas,
        "program.eps": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(" + str(owned) + ") (w) file\n",
        "script.svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:9/"/></svg>',
        "zip.webp": zipped({"../../owned/x": b"x"}),
        "text.jpg": "404 not found\n",
        "empty.jpg": b"",
        "zero.png": link_to("/dev/zero"),
        "link.png": link_to("/etc/passwd"),
        "pipe.png": os.mkfifo,
        "folder.png": Path.mkdir,
    }
    names = {name: name for name in files} | {
        "nul": "a\0.png",
        "long name": "x" * 5000,
        "climbing": "../../../../../../etc/passwd",
        "absolute": "/etc/passwd",
        "escapes": ESCAPES,
        "device": "/dev/stdin",
    }
    return {
        what: {"interactions.csv": INTERACTIONS, "items.jsonl": json.dumps({"item_id": "i", "image": name}) + "\n"}
        | ({name: files[name]} if name in files else {})
        for what, name in names.items()
    }


def stores(owned: Path) -> dict[str, dict[str, Content]]:
    """Datasets of one item whose picture is to be looked up in a store, under a name that means something else."""
    files: dict[str, Content] = {
        "secret.png": png(),
        "pictures/sound.png": png(),
        "pictures/pickle.png": pickled(owned),
        "pictures/bomb.png": png(12_000, 12_000, zlib.compress(bytes(22_000_000), 9)),
    }
    return {
        what: {"interactions.csv": INTERACTIONS, "items.jsonl": json.dumps({"item_id": "i", "image": name}) + "\n"} | files
        for what, name in STORED_NAMES.items()
    } | {
        "named with the data": {"interactions.csv": INTERACTIONS, "mmrec.yaml": "pictures: memory://pictures\n"},
        "shared with the data": {"interactions.csv": INTERACTIONS, "mmrec.yaml": "features: {store: 'memory://pictures/a.npy'}\n"},
    }


def tensors(owned: Path) -> dict[str, bytes]:
    """Files of tensors whose headers lie."""

    def file(header: object, content: bytes = bytes(16), size: int | None = None) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text) if size is None else size) + text + content

    def one(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
        return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}

    return {
        "pickle": pickled(owned),
        "empty": b"",
        "giant header": file({}, size=2**62),
        "header of half a gigabyte": file({}, size=2**29),
        "beyond the end": file({"a": one(0, 2**40, [2**38])}),
        "negative": file({"a": one(-16, 0, [4])}),
        "backwards": file({"a": one(16, 0, [4])}),
        "overlapping": file({"a": one(0, 16, [4]), "b": one(0, 16, [4])}),
        "with a hole": file({"a": one(8, 16, [2])}),
        "shape of another size": file({"a": one(0, 16, [400])}),
        "shape that overflows": file({"a": one(0, 16, [2**62, 2**62, 4])}),
        "unknown type": file({"a": one(0, 16, [4], "OBJECT")}),
        "no object": file([1, 2]),
        "deep header": file(b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}"),
        "metadata of numbers": file({"__metadata__": {"trained_on": {"a": 1}}, "a": one(0, 16, [4])}),
        "metadata of escapes": file({"__metadata__": {"trained_on": ESCAPES}, "a": one(0, 16, [4])}),
    }


def checkpoints(owned: Path) -> dict[str, dict[str, Content]]:
    """Checkpoint folders: damaged ones, and sound manifests of hostile content."""
    empty = struct.pack("<Q", 2) + b"{}"

    def sealed(state: bytes | str, content: bytes = empty, **more: Content) -> dict[str, Content]:
        state = state.encode() if isinstance(state, str) else state
        files = {"tensors.safetensors": content, "state.json": state}
        manifest = {"format": 1, "files": {name: {"bytes": len(raw), "sha256": sha256(raw).hexdigest()} for name, raw in files.items()}}
        return {**files, "manifest.json": json.dumps(manifest), **more}

    return {
        "sound": sealed("{}"),
        "without a manifest": {"state.json": "{}"},
        "pickle as state": sealed(pickled(owned)),
        "pickle as tensors": sealed("{}", pickled(owned)),
        "pickle as manifest": sealed("{}") | {"manifest.json": pickled(owned)},
        "manifest is a list": sealed("{}") | {"manifest.json": "[]"},
        "manifest is deep": sealed("{}") | {"manifest.json": "[" * DEEP},
        "manifest is a pipe": sealed("{}") | {"manifest.json": os.mkfifo},
        "manifest is a folder": sealed("{}") | {"manifest.json": Path.mkdir},
        "manifest of numbers": sealed("{}") | {"manifest.json": '{"files":{"tensors.safetensors":{"sha256":1},"state.json":{"sha256":2}}}'},
        "state is a pipe": sealed("{}") | {"state.json": os.mkfifo},
        "state is a link out": sealed("{}") | {"state.json": link_to("/etc/passwd")},
        "state is deep": sealed("[" * DEEP + "]" * DEEP),
        "state names no tensor": sealed('{"$":"tensor","name":"a"}'),
        "state names nothing": sealed('{"$":"tensor"}'),
        "state of unhashable keys": sealed('{"$":"dict","items":[[[1],2]]}'),
        "state of odd items": sealed('{"$":"dict","items":3}'),
        "state of an odd float": sealed('{"$":"float","value":"os.system"}'),
        "state is no text": sealed(b"\xff\xfe"),
        "huge number": sealed("9" * 10_000),
    } | {f"tensors: {name}": sealed("{}", raw) for name, raw in tensors(owned).items()}


def wheels() -> dict[str, dict[str, Content]]:
    """Wheels whose members leave their folder."""
    return {
        "sound": {"a.whl": zipped({"data/a.csv": b"x"})},
        "climbing": {"a.whl": zipped({"data/../../../owned": b"x"})},
        "absolute": {"a.whl": zipped({"data/a": b"x", "/data/owned": b"x"})},
        "backslash": {"a.whl": zipped({"data/..\\..\\owned": b"x"})},
        "drive": {"a.whl": zipped({"data/C:owned": b"x"})},
        "link": {"a.whl": linked_zip()},
        "manifest": {"a.whl": zipped({"data/a": b"x", "manifest.json": b"{}"})},
        "file that is a folder": {"a.whl": zipped({"data/a": b"x", "data/a/b": b"x"})},
        "no zip": {"a.whl": b"PK\x03\x04"},
        "cut": {"a.whl": zipped({"data/a": b"x" * 99})[:-30]},
    }


def linked_zip() -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        member = zipfile.ZipInfo("data/link")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
        archive.writestr("data/link/owned", "x")
    return raw.getvalue()


def runs(owned: Path) -> dict[str, dict[str, Content]]:
    """Folders of runs, as one downloads them, for `recommend` and `compare`."""

    def frame(**columns: list) -> Callable[[Path], None]:
        return lambda path: pl.DataFrame(columns).write_parquet(path)

    tensors_of = struct.pack("<Q", 2) + b"{}"
    sound: dict[str, Content] = {
        "metrics.json": '{"models": {}}',
        "run.json": "{}",
        "config.yaml": "seed: 1\n",
        "users.parquet": frame(user_id=["u"]),
        "items.parquet": frame(item_id=["i"]),
        "split/train.parquet": frame(user_id=["u"], item_id=["i"]),
        "vectors.safetensors": tensors_of,
    }
    return {
        "pickle as vectors": sound | {"vectors.safetensors": pickled(owned)},
        "pickle as users": sound | {"users.parquet": pickled(owned)},
        "pickle as items": sound | {"items.parquet": pickled(owned)},
        "pickle as split": sound | {"split/train.parquet": pickled(owned)},
        "pickle as metrics": sound | {"metrics.json": pickled(owned)},
        "vectors without users": sound,
        "tables of other columns": sound | {"users.parquet": frame(a=["u"])},
        "tag in the configuration": sound | {"config.yaml": f"seed: !!python/object/apply:os.mkdir ['{owned}']\n"},
        "escapes in ids": sound | {"users.parquet": frame(user_id=[ESCAPES])},
        "deep metrics": sound | {"metrics.json": "[" * DEEP},
    }
