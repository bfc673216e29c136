"""Cache the fitted priors of a run, whose hyperparameters are searched again otherwise whenever its model is restored."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmrec import __version__
from mmrec.errors import StorageError
from mmrec.experiment.models import Priors
from mmrec.files.storage import sha256_file, sha256_text, write_tensors
from mmrec.models.priors.linear import LinearFactors

_LINEAR, _TREND = "linear", "trend"
_log = logging.getLogger(__name__)


def cached_priors(run_dir: Path, cache: Path, seed: int, fit: Callable[[], Priors]) -> Priors:
    """Return the priors of a run's seed from the cache, or fit and cache them.

    Args:
        run_dir: the run, of which data and split are known to be unchanged. run.json has their hashes, and that of the weights.
        cache: the folder of all caches.
        seed: of the training.
        fit: fits the priors. Those of other kinds than `linear` factors and a `trend` are not cached.
    """
    key = sha256_text(__version__, str(seed), *(sha256_file(run_dir / name) for name in ("run.json", "config.yaml")))
    path = cache / "priors" / f"{key}.safetensors"
    try:
        found = load_file(path) if path.is_file() else None
    except (SafetensorError, OSError):
        found = None
    if found is not None:
        return Priors(_from_tensors(found))
    priors = fit()
    tensors = _to_tensors(priors)
    if tensors:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tensors(path, tensors)
        except (OSError, StorageError) as error:
            _log.warning(f"the priors of {run_dir} are not cached: {error}")
    return priors


def _to_tensors(priors: Priors) -> dict[str, Tensor]:
    """All of them, or none if there are others."""
    linear, trend = priors.get(_LINEAR), priors.get(_TREND)
    kinds_fit = (linear is None or isinstance(linear, LinearFactors)) and (trend is None or isinstance(trend, Tensor))
    if not kinds_fit or any(name not in (_LINEAR, _TREND) and value is not None for name, value in priors.items()):
        return {}
    found = {} if linear is None else {f"{_LINEAR}.{name}": value.contiguous() for name, value in linear._asdict().items()}
    return found | ({} if trend is None else {_TREND: trend.contiguous()})


def _from_tensors(tensors: dict[str, Tensor]) -> dict[str, Any]:
    names = LinearFactors._fields
    linear = LinearFactors(*(tensors[f"{_LINEAR}.{name}"] for name in names)) if f"{_LINEAR}.{names[0]}" in tensors else None
    return {_LINEAR: linear, _TREND: tensors.get(_TREND)}
