"""Measure a run on clean inputs and under attack."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mmrec.errors import ConfigError
from mmrec.evaluation.measure.evaluate import values_of
from mmrec.experiment.attacks.attacked_features import attack_features
from mmrec.experiment.attacks.targets import Target, attacked_items
from mmrec.experiment.evaluate import restore
from mmrec.experiment.measures import largest_k, measure_scorer
from mmrec.experiment.models import make_data_module
from mmrec.experiment.settings import EvaluateSettings
from mmrec.metrics.full_ranking import Evaluated
from mmrec.models.multimodal.changed_features import ChangedFeatures
from mmrec.nn.attacks.misspelling import WordAttack
from mmrec.nn.attacks.projected_gradient import PictureAttack
from mmrec.types import IMAGE, TEXT, Dataset

_log = logging.getLogger(__name__)
_NAMES = {IMAGE: "pictures", TEXT: "texts"}
Attack = PictureAttack | WordAttack


class UnderAttack(NamedTuple):
    """The test metrics of a run's first seed, clean and under attack."""

    clean: dict[str, float]
    attacked: dict[str, float]
    n_attacked: int
    """The number of items whose inputs were changed."""

    def fall(self, metric: str) -> float:
        """The fall of a metric under attack, as a share of its clean value."""
        return 1 - self.attacked[metric] / self.clean[metric] if self.clean[metric] else 0.0


@dataclass(frozen=True)
class AttackedRun:
    """A measured run."""

    run_dir: Path
    dataset: Dataset
    k: int
    """The length of lists."""
    result: UnderAttack


def measure_under_attack(settings: EvaluateSettings, attack: Attack) -> AttackedRun:
    """Attack the pictures or texts of a run's items, with knowledge of the model and its training part, and measure the test lists.

    The changed inputs replace the clean ones everywhere: as items to be ranked, and in the histories by which users are represented. What
    was fitted before stays: weights, and the statistics by which features are scaled. The linear vectors of new items, which are predicted
    from content, are those of the clean inputs.

    Raises:
        ConfigError: the run has no such inputs, or a model or encoder that cannot be attacked.
        DataError: the data have changed, or a file of the run is invalid.
    """
    restored = restore(settings)
    name, training = IMAGE if isinstance(attack, PictureAttack) else TEXT, restored.training
    if training.parts or name not in restored.spec.item_inputs or name not in restored.spec.features:
        raise ConfigError(f"attack: expected a run of one task that ranks items by their {_NAMES[name]}, which {settings.run_dir} is not")
    spec, k = restored.spec, largest_k(training.measures)
    data = make_data_module(training, restored.evidence, settings.run_dir / "split")
    data.setup("test")
    clean = spec.features[name]
    changed = ChangedFeatures(restored.model, name, clean)
    if changed.tuned is not None:
        _log.info(f"{settings.run_dir}: the {name} encoder was trained with the model, and is attacked as trained")
    table = restored.evidence.index.align(restored.evidence.dataset.items)
    items = attacked_items(attack, table, clean.present, data.train.item_degree)
    target = Target.of(changed, attack.goal, data.train, k, attack.seed)
    _log.info(f"{settings.run_dir}: {len(items):,} of {spec.n_items:,} items are attacked, goal={attack.goal}")
    values = clean.values.clone()
    values[items] = attack_features(target, spec.item_inputs[name], items, attack)
    model = changed.model_with(values)
    task = training.task(restored.model)
    before, after = (measure_scorer(task, one.freeze(), data.test_set, None, False) for one in (restored.model, model))
    found, attacked = (values_of(one, "test") | _exposure(one, items, k) for one in (before, after))
    return AttackedRun(settings.run_dir, restored.evidence.dataset, k, UnderAttack(found, attacked, len(items)))


def _exposure(measured: Evaluated, items: Any, k: int) -> dict[str, float]:
    """The share of the places in lists that the attacked items take."""
    if measured.ranking is None:
        raise ConfigError("attack: expected a run of a task that ranks items")
    lists = measured.ranking.item_idx[:, :k]
    return {f"test/attacked_items@{k}": float(torch.isin(lists, items).float().mean())}
