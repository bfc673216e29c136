"""Extraction of features beside the bare encoder, on the texts or pictures of a data set: of the generated shop, if no other is named.

    python scripts/bench_features.py                                                # texts, by the default encoder
    python scripts/bench_features.py --pictures image_encoder=tiny_clip             # after `mmrec pretrain data=demo_shop`
    python scripts/bench_features.py --pictures encoders.image.pretrained=null encoders.image.revision=null --limit 256

`extraction` is what a run does: hash, look up, tokenise or decode, sort by length, encode and cache, into an empty cache. `bare` is the
encoder alone over the same batches, prepared beforehand: texts as token ids, pictures resized, normalised and stacked. They take turns;
seconds are of the CPU, all threads and decoding processes, and of the clock; medians of --repeats.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import mmrec._torchvision  # noqa: F401  before all that may reach torchvision

import hydra
import torch
from rich.console import Console
from rich.table import Table

from mmrec.config.build import build
from mmrec.data.features.extract import WINDOW_BATCHES, extract_features
from mmrec.data.features.texts import item_texts
from mmrec.data.pictures.read import read_pictures
from mmrec.nn.encoders.image import ClipImageEncoder
from mmrec.schemas import register_schemas
from mmrec.types import ITEM_ID, FeatureEncoder


def now() -> tuple[float, float]:
    """CPU seconds of this process and its children that have ended, and seconds of the clock."""
    return sum(os.times()[:4]), time.perf_counter()


def bare(encoder: FeatureEncoder, inputs: list[bytes], batch_size: int) -> tuple[float, float]:
    ordered = sorted(inputs, key=len, reverse=True)
    size = WINDOW_BATCHES * batch_size
    windows = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    prepared = [sorted(map(encoder.prepare, window), key=encoder.length, reverse=True) for window in windows]
    batches = [window[start : start + batch_size] for window in prepared for start in range(0, len(window), batch_size)]
    encode = encoder.encode
    if isinstance(encoder, ClipImageEncoder):
        batches, encode = [encoder.normalize(batch) for batch in batches], encoder.encode_normalized
    begun = now()
    for batch in batches:
        encode(batch)
    return now()[0] - begun[0], now()[1] - begun[1]


def extraction(encoder: FeatureEncoder, inputs: list[bytes], batch_size: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as cache:
        begun = now()
        extract_features(encoder, inputs, Path(cache), batch_size, "bench")
        return now()[0] - begun[0], now()[1] - begun[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="of mmrec train: data=…, text_encoder=…")
    parser.add_argument("--pictures", action="store_true", help="instead of texts")
    parser.add_argument("--limit", type=int, help="so many inputs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_intermixed_args()
    register_schemas()
    data = [] if any(override.startswith("data=") for override in arguments.overrides) else ["data=demo_shop"]
    with hydra.initialize_config_module("mmrec.conf", version_base="1.3"):
        cfg = hydra.compose("train", [*data, *arguments.overrides])
    dataset = build(cfg, "data")
    if arguments.pictures:
        raw, encoder = read_pictures(dataset, dataset.items[ITEM_ID])[0], build(cfg, "encoders.image")
    else:
        raw, encoder = item_texts(dataset.items, dataset.text_columns), build(cfg, "encoders.text")
    inputs = list(dict.fromkeys(one for one in raw if one is not None))[: arguments.limit]
    runs = [
        (extraction(encoder, inputs, arguments.batch_size), bare(encoder, inputs, arguments.batch_size)) for _ in range(arguments.repeats)
    ]
    table = Table("", "CPU seconds", "seconds", title=f"{len(inputs):,} inputs, {encoder.name}, {torch.get_num_threads()} threads")
    medians = [[statistics.median(run[kind][unit] for run in runs) for unit in range(2)] for kind in range(2)]
    for name, row in zip(("extraction", "bare"), medians, strict=True):
        table.add_row(name, *(f"{value:.1f}" for value in row))
    table.add_row("times", *(f"{ours / theirs:.2f}" for ours, theirs in zip(*medians, strict=True)))
    Console().print(table)


if __name__ == "__main__":
    main()
