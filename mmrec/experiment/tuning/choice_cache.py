"""Cache the hyperparameters chosen by validation under a hash of everything that determines them."""

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from mmrec.experiment.tuning.held_out import HeldOut, TaskRows
from mmrec.experiment.tuning.lift import with_lift
from mmrec.experiment.tuning.search import VERSION, Fittable, Tuned, fit, tune
from mmrec.experiment.tuning.space import Search
from mmrec.extras import is_installed
from mmrec.files.storage import sha256_text, write_json
from mmrec.types import DatasetSpec


def tune_cached(
    make: Callable[..., Fittable],
    settings: dict[str, Any],
    search: Search,
    spec: DatasetSpec,
    valid: HeldOut,
    metric: str,
    folder: Path,
) -> tuple[Tuned, bool]:
    """As `tune`; if the same was tuned before, only the chosen setting is fitted again, and the second value is True.

    `settings` identifies the model and its fixed arguments as plain values, including the modality of features that it reads. The choice is
    stored in `folder` as JSON, named by a hash of interactions, times, validation rows, named features, settings and search; for a model
    with `sources` or `modality`, also of all features, the graph and the words.
    """
    path = folder / f"{_key(settings, search, spec, valid, metric)}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    if kept is not None:
        scorer, fit_s = fit(make, kept["parameters"], spec)
        lifted, edges = with_lift(scorer, spec, kept["cold_lift"]), tuple(kept["edges"])
        return Tuned(lifted, kept["parameters"], kept["value"], kept["n_trials"], fit_s, scorer, kept["cold_lift"], edges), True
    tuned = tune(make, search, spec, valid, metric)
    found = {name: getattr(tuned, name) for name in ("parameters", "value", "n_trials", "cold_lift")} | {"edges": list(tuned.edges)}
    write_json(path, {"baseline": settings, "metric": metric} | found)
    return tuned, False


def _key(settings: dict[str, Any], search: Search, spec: DatasetSpec, valid: HeldOut, metric: str) -> str:
    sampler = [] if is_installed("tune") else ["random"]
    text = json.dumps([version("mmrec"), VERSION, *sampler, settings, search, metric, spec.n_users, spec.n_items], sort_keys=True)
    tensors = {"user_idx": spec.train.user_idx, "item_idx": spec.train.item_idx, "timestamp": spec.train.timestamp}
    if isinstance(valid, TaskRows):
        tensors |= {name: getattr(spec.train, name) for name in ("rating", "label", "position")}
        tensors |= {f"valid_{name}": values for name, values in valid.tensors().items()}
    else:
        tensors |= {"valid_indptr": valid.positives.indptr, "valid_indices": valid.positives.indices}
    reads_all = '"sources"' in text or '"modality"' in text
    for modality, features in spec.features.items():
        if reads_all or json.dumps(modality) in text:
            tensors |= {f"{modality}_values": features.values, f"{modality}_present": features.present}
    for name, found in {"graph": spec.graph, "words": spec.words}.items():
        if reads_all and found is not None:
            tensors |= {f"{name}_{part}": value for part, value in vars(found).items() if isinstance(value, Tensor)}
    return sha256_text(text, *(f"{name}:{_hash(tensor)}" for name, tensor in tensors.items()))


def _hash(tensor: Tensor | None) -> str:
    if tensor is None:
        return ""
    return hashlib.sha256(tensor.contiguous().numpy().data).hexdigest()
