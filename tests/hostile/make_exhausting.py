"""Datasets of less than a megabyte on disk that are large, deep or slow to whoever parses them without a limit."""

import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

INTERACTIONS = "user_id,item_id\nu,i\nv,j\n"


def exhausting() -> dict[str, dict[str, bytes | str | Callable[[Path], None]]]:
    """Small files that are large, deep or slow to whoever parses them."""
    sound, names = {"interactions.csv": INTERACTIONS}, ",".join(f"c{n}" for n in range(2_000))
    nested = "<http://u> <http://r> " + "<<( <http://a> <http://b> " * 20_000 + "<http://i>" + " )>>" * 20_000 + " .\n"
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000_000, pa.int32()), pa.array(["x" * 20_000]))
    stars, folders = "**/" * 7, "/".join("d" * 25)
    attribute = gzip.compress(f'<graphml><graph x="{"y" * 20_000_000}"/></graphml>'.encode())
    return {
        "csv wide": sound | {"items.csv": f"item_id,{names}\n" + "".join(f"i{n}{',1' * 2_000}\n" for n in range(200))},
        "csv of short rows": sound | {"items.csv": f"item_id,{names}\n" + "i\n" * 300_000},
        "csv badly quoted rows": {"interactions.csv": "user_id,item_id\n" + '"u"x,i\n' * 20_000},
        "csv sparse": {"interactions.csv": _sparse},
        "settings sparse": sound | {"mmrec.yaml": _sparse},
        "json 400 lists": {"interactions.jsonl": '{"user_id":"u","item_id":"i","x":' + "[" * 400 + "]" * 400 + "}\n"},
        "json 400 objects": {"interactions.jsonl": '{"user_id":"u","item_id":"i","x":' + '{"a":' * 400 + "1" + "}" * 401 + "\n"},
        "json keys of every line": sound
        | {"items.jsonl": "".join(f'{{"item_id":"i{n}",' + ",".join(f'"k{n}_{k}":1' for k in range(500)) + "}\n" for n in range(100))},
        "parquet of one long text": sound | {"items.parquet": _parquet(pa.table({"item_id": pa.array([1] * 5_000_000), "title": same}))},
        "parquet of one long id": {"interactions.parquet": _parquet(pa.table({"user_id": same, "item_id": same}))},
        "stars in a table": sound | {"mmrec.yaml": f"tables: {{items: '{stars}items.csv'}}\n", f"{folders}/items.csv": "item_id\ni\n"},
        "stars in a picture": sound | {"mmrec.yaml": f"image_column: '{'*a' * 12}{{item_id}}*b.jpg'\n", f"{'a' * 200}.jpg": ""},
        "graphml long attribute": sound | {"triples.graphml.gz": attribute},
        "triples nested": sound | {"triples.nt": nested},
        "turtle nested": sound | {"triples.ttl": nested},
    }


def _sparse(path: Path) -> None:
    """Ten gigabytes, none of them on disk."""
    path.touch()
    os.truncate(path, 10**10)


def _parquet(table: pa.Table) -> bytes:
    raw = io.BytesIO()
    pq.write_table(table, raw, compression="zstd")
    return raw.getvalue()
