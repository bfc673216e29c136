"""Labels of runs: the configuration keys by which they differ."""

from collections import Counter
from collections.abc import Mapping, Sequence

BASE = "base"
_NOT_COMPARED = (
    "run_dir",
    "resume",
    "trust_run",
    "paths.",
    "logger.",
    "trainer.enable_progress_bar",
    "checkpoint.",
    "data_module.n_workers",
)
_MANY_KEYS = 2


def run_labels(configs: Sequence[Mapping[str, object]], folders: Sequence[str]) -> list[str]:
    """Label runs by their differences in flat configurations (`fusion.n_layers` to 2): `seed=1`, or the folder if there are none.

    If more than two keys differ, a run is labelled by those in which it deviates from the most frequent value, or `base` if there are none.
    Paths, loggers and baselines are ignored. If a key with a class differs, the other keys of its group are ignored: `fusion=GatedFusion`.
    """
    keys = _differing_keys(configs)
    if len(keys) > _MANY_KEYS:
        usual = {key: Counter(_shown(config.get(key)) for config in configs).most_common(1)[0][0] for key in keys}
        parts = [{key: _shown(config.get(key)) for key in keys if _shown(config.get(key)) != usual[key]} for config in configs]
        labels = [_joined(part) or BASE for part in parts]
    else:
        labels = [_joined({key: _shown(config.get(key)) for key in keys}) for config in configs]
    return [label if label and labels.count(label) == 1 else folder for label, folder in zip(labels, folders, strict=True)]


def is_compared(key: str) -> bool:
    """Whether a key of a flat configuration can influence results, rather than only locations or output."""
    return not (key.startswith(_NOT_COMPARED) or key.endswith(".cache"))


def _differing_keys(configs: Sequence[Mapping[str, object]]) -> list[str]:
    keys = [
        key for key in dict.fromkeys(key for config in configs for key in config) if is_compared(key) and not key.startswith("baselines.")
    ]
    differing = [key for key in keys if len({_shown(config.get(key)) for config in configs}) > 1]
    replaced = tuple(key.removesuffix("_target_") for key in differing if key.endswith("._target_"))
    return [key for key in differing if key.endswith("._target_") or not key.startswith(replaced)]


def _shown(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _joined(parts: Mapping[str, str]) -> str:
    return " ".join(
        f"{key.removesuffix('._target_')}={value.rpartition('.')[2] if key.endswith('._target_') else value}"
        for key, value in parts.items()
    )
