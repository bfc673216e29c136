"""Feature extraction on a Ray cluster with Ray Data: the same windows, batches and results as in one process, computed by several workers.

Requires the extra `mmrec[ray]`. Workers read the files themselves, so every node must see them under the same paths or reach their store.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import torch

from mmrec.data.features.extract import Encoded, Engine, encode_here
from mmrec.errors import MmrecError, StorageError
from mmrec.extras import needs
from mmrec.types import FeatureEncoder

_FAILED = -1
"""The position that marks an error in a worker."""


def ray_engine(n_workers: int) -> Engine:
    """The engine on the cluster that `RAY_ADDRESS` names, or on this machine. Raises MissingExtra if Ray is not installed."""
    with needs("ray", "features.engine=ray"):
        import ray.data
    if not ray.is_initialized():
        on_this_machine = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": n_workers + 1, "include_dashboard": False}  # one to read
        ray.init(logging_level="error", log_to_driver=False, **on_this_machine)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return partial(_encode_on_ray, n_workers=n_workers)


def _encode_on_ray(
    encoder: FeatureEncoder, inputs: Sequence[bytes | None], windows: list[list[int]], batch_size: int, n_workers: int
) -> Iterator[Encoded]:
    import ray

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    shared = ray.put((encoder, inputs, windows))
    work = ray.data.range(len(windows), override_num_blocks=len(windows)).map_batches(
        _Worker,
        batch_size=1,
        fn_constructor_args=(shared, batch_size, torch.get_num_threads()),
        compute=ray.data.ActorPoolStrategy(size=n_workers),
    )
    for block in work.iter_batches(batch_size=None, batch_format="numpy"):
        rows = zip(block["batch"], block["position"], block["reason"], block["row"], strict=True)
        for _, batch in groupby(rows, key=lambda row: int(row[0])):
            _, positions, reasons, values = zip(*batch, strict=True)
            if positions[0] == _FAILED:
                raise StorageError(str(reasons[0]))
            if reasons[0]:
                yield Encoded({int(position): str(reason) for position, reason in zip(positions, reasons, strict=True)}, [], None)
            else:
                yield Encoded({}, [int(position) for position in positions], torch.from_numpy(np.stack(values).astype(np.float32)))


class _Worker:
    """A worker process that encodes whole windows: one row per input, with the reason and no features for rejected ones."""

    def __init__(self, shared: object, batch_size: int, n_threads: int) -> None:
        import ray

        torch.set_num_threads(n_threads)
        self.encoder, self.inputs, self.windows = ray.get(shared)
        self.batch_size, self.n_batches = batch_size, 0

    def __call__(self, numbers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        windows = [self.windows[int(number)] for number in numbers["id"]]
        found: dict[str, list[Any]] = {"batch": [], "position": [], "reason": [], "row": []}
        nothing = np.zeros(self.encoder.feature_dim, np.float32)
        for encoded in self._encode(windows):
            rows = [(position, reason, nothing) for position, reason in encoded.refused.items()]
            if encoded.rows is not None:
                rows += [(position, "", row.numpy()) for position, row in zip(encoded.positions, encoded.rows, strict=True)]
            for position, reason, row in rows:
                for name, value in zip(found, (self.n_batches, position, reason, row), strict=True):
                    found[name].append(value)
            self.n_batches += 1
        return {name: np.array(values) for name, values in found.items()}

    def _encode(self, windows: list[list[int]]) -> Iterator[Encoded]:
        """Encode as `encode_here` does. A user error is returned as the last result, since Ray would wrap it in a traceback."""
        try:
            yield from encode_here(self.encoder, self.inputs, windows, self.batch_size)
        except MmrecError as error:
            yield Encoded({_FAILED: str(error)}, [], None)
