"""Extract frozen features of a catalogue's texts and pictures with an encoder and a content-addressed cache.

The key of a feature is the SHA-256 of the raw bytes it was computed from, and the folder is named by the encoder's fingerprint, so entries
never become stale: a changed item, model or setting has another key. The cache consists of *shards* of up to `SHARD_ROWS` rows:

    <cache>/features/<fingerprint[:32]>/<sha256 of the content>.safetensors     keys: (n, 32) uint8, values: (n, feature_dim) float32

An optional store shared by several machines (`mmrec.data.features.shared_cache`) is consulted for what the cache lacks.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from jaxtyping import Float
from torch import Tensor

from mmrec.data.features.cache import FeatureTable, ShardWriter, read_shard
from mmrec.data.features.shared_cache import SharedFeatures
from mmrec.files.progress import no_progress, open_progress
from mmrec.files.store import Store
from mmrec.types import FeatureEncoder, Features, UnusableInput

WINDOW_BATCHES = 4
"""Batches prepared together. Inputs are sorted by exact length within such a window, and by bytes across windows. Bounds the memory for
decoded pictures."""

_PREPARED_AT_ONCE = 16
"""Inputs per task of a thread: submitting each on its own costs as much as decoding a small picture."""


class Encoded(NamedTuple):
    """The result for some inputs: the reasons of rejected ones by position, or the features."""

    refused: dict[int, str]
    positions: list[int]
    rows: Float[Tensor, "n_positions feature_dim"] | None


class Engine(Protocol):
    """Encodes windows of input positions, and yields the results of all of them in the order of the windows."""

    def __call__(
        self, encoder: FeatureEncoder, inputs: Sequence[bytes | None], windows: list[list[int]], batch_size: int
    ) -> Iterator[Encoded]: ...


def encode_here(encoder: FeatureEncoder, inputs: Sequence[bytes | None], windows: list[list[int]], batch_size: int) -> Iterator[Encoded]:
    """Encode in this process batch by batch, while threads prepare the next window."""
    for window in _prepare_windows(encoder, inputs, windows):
        if refused := {position: reason for position, _, reason in window if reason}:
            yield Encoded(refused, [], None)
        for batch in _sorted_batches(encoder, window, batch_size):
            yield Encoded({}, [position for position, _ in batch], encoder.encode([prepared for _, prepared in batch]))


def extract_features(
    encoder: FeatureEncoder,
    inputs: Sequence[bytes | None],
    cache: Path,
    batch_size: int,
    modality: str,
    engine: Engine = encode_here,
    store: Store | None = None,
) -> tuple[Features, list[UnusableInput]]:
    """The features of every input, from the cache or newly computed and cached.

    Equal inputs are computed once. New features are written after at most `SHARD_SECONDS`, so that little is lost if the process is killed.

    Args:
        encoder: maps inputs to features.
        inputs: raw bytes; None for items without such an input.
        cache: the folder of all caches.
        batch_size: inputs per batch.
        modality: the label of the progress bar.
        engine: where to encode; does not affect the result.
        store: a shared store, which is read before and updated after computing.

    Returns:
        The features, and the rejected inputs: those that cannot be read or for which `encoder.prepare` raises ValueError. They and missing
        inputs are not `present`.

    Raises:
        StorageError: the store cannot be read or written.
        ValueError: the encoder returned features that are not finite.
    """
    table = FeatureTable(inputs, encoder.feature_dim)
    folder = cache / "features" / encoder.fingerprint[:32]
    for path in sorted(folder.glob("*.safetensors")):
        table.fill(*read_shard(path, encoder.feature_dim))
    shared = None if store is None else SharedFeatures(store, encoder.fingerprint, encoder.feature_dim)
    if shared is not None:
        with ShardWriter(folder) as shards:
            for keys, rows in shared.find(table.lacking()):
                table.fill(keys, rows)
                shards.add(keys, rows)
    todo = table.missing(WINDOW_BATCHES * batch_size)
    refused: dict[int, str] = {}
    done, total = 0, sum(map(len, todo))
    with (open_progress if todo else no_progress)(f"{modality} features ({encoder.name})") as update, ShardWriter(folder) as shards:
        update(done, total)
        for encoded in engine(encoder, inputs, todo, batch_size) if todo else ():
            refused |= encoded.refused
            if encoded.rows is not None:
                if not encoded.rows.isfinite().all():
                    raise ValueError(f"{encoder.name} gave features that are not finite numbers; nothing of this batch was cached")
                keys = [table.keys[position] for position in encoded.positions]
                table.fill(keys, encoded.rows)
                shards.add(keys, encoded.rows)
            done += len(encoded.refused) + len(encoded.positions)
            update(done, total)
    if shared is not None:
        shared.add(*table.rows())
    problems = [UnusableInput(position, reason) for first, reason in refused.items() for position in table.positions[table.keys[first]]]
    return Features(table.values, table.present, encoder.name), sorted(table.unread + problems, key=lambda problem: problem.position)


def _prepare_windows(
    encoder: FeatureEncoder, inputs: Sequence[bytes | None], windows: list[list[int]]
) -> Iterator[list[tuple[int, object, str]]]:
    """Yield (position, prepared input, reason for rejection or "") for each window, while the next window is prepared."""

    def attempt(position: int) -> tuple[int, object, str]:
        try:
            return position, encoder.prepare(cast("bytes", inputs[position])), ""  # windows contain only existing inputs
        except ValueError as error:
            return position, None, " ".join(str(error).split()) or "cannot be used"

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:

        def begin(window: list[int]) -> list[Future[list[tuple[int, object, str]]]]:
            parts = (window[start : start + _PREPARED_AT_ONCE] for start in range(0, len(window), _PREPARED_AT_ONCE))
            return [pool.submit(lambda part: [attempt(position) for position in part], part) for part in parts]

        ahead = begin(windows[0]) if windows else []
        for following in [*windows[1:], []] if windows else []:
            current, ahead = ahead, begin(following)
            yield [prepared for future in current for prepared in future.result()]


def _sorted_batches(encoder: FeatureEncoder, window: list[tuple[int, object, str]], batch_size: int) -> Iterator[list[tuple[int, object]]]:
    """The usable inputs of a window in batches of similar length, which minimises padding."""
    usable = sorted(
        ((position, prepared) for position, prepared, reason in window if not reason), key=lambda pair: -encoder.length(pair[1])
    )
    for start in range(0, len(usable), batch_size):
        yield usable[start : start + batch_size]
