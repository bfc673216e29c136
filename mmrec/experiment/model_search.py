"""Hyperparameter search for a trained model on the validation part within a budget. No test row is read."""

import json
import logging
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmrec.errors import ConfigError, MmrecError
from mmrec.experiment.evidence import Evidence
from mmrec.experiment.fit import fit
from mmrec.experiment.measures import largest_k
from mmrec.experiment.models import Priors, fit_priors, make_data_module, make_model, make_spec
from mmrec.experiment.run_folder.origin import remember_run
from mmrec.experiment.settings import ModelSearch, TrainingSettings, TrainSettings
from mmrec.experiment.tuning.pruning import is_hopeless
from mmrec.experiment.tuning.search import Setting, draw_settings, edge_side
from mmrec.experiment.tuning.space import Search, n_settings, read_space
from mmrec.files.storage import write_json, write_text
from mmrec.models.priors.grid import describe_choices
from mmrec.tasks.checkpoints import read_best
from mmrec.types import DatasetSpec

_log = logging.getLogger(__name__)
TRIALS = "trials.json"
_UNLIMITED_S = 1e8
_N_TRIALS = 10
"""Of these, half are random and half are chosen by the estimator; only the budget ends the search."""


def search_settings(settings: TrainSettings, evidence: Evidence) -> TrainSettings:
    """Return the settings of a run with the best values found for those in `settings.search`, which are also written to config.yaml.

    Each trial trains the model with the first seed, using the parts fitted before; its value is the best validation metric of its epochs.
    Trials are stored in the run folder, so that a resumed run continues the search for the remaining time. A completed search is not
    repeated.
    """
    search, path = settings.search, settings.run_dir / TRIALS
    if search is None:
        return settings
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"trials": []}
    if "chosen" in kept:  # config.yaml already contains it
        return replace(settings, searched=kept["chosen"])
    trials = _Trials(settings, search, evidence, kept["trials"])
    trials.run()
    best, chosen = trials.best_setting(), trials.describe()
    _log.info(f"settings: {describe_choices(chosen)}")
    config = search.config(best)
    write_text(settings.run_dir / "config.yaml", config)
    remember_run(settings.run_dir)
    write_json(path, {"metric": trials.metric, "trials": trials.kept, "chosen": chosen})
    return replace(settings, config=config, searched=chosen, training=lambda seed: search.training(seed, best))


class _Trials:
    """The settings tried, with their validation metrics."""

    def __init__(self, settings: TrainSettings, search: ModelSearch, evidence: Evidence, kept: list[dict[str, Any]]) -> None:
        self.run_dir, self.search, self.evidence, self.kept = settings.run_dir, search, evidence, kept
        self.seed, self.space = settings.seeds[0], read_space(dict(search.space))
        self.first = search.training(self.seed, {})
        self.metric = self.first.selection.metric
        self.sign = self.first.measures.sign(self.metric)
        self._before: float = sum(one["seconds"] for one in kept)
        self._begun = time.perf_counter()
        self._fitted: tuple[DatasetSpec, Priors] | None = None

    def run(self) -> None:
        """Try settings until the time is over, starting with the configured ones. Raises ConfigError if none can be trained."""
        if not self._is_done():
            plan = Search(dict(self.search.space), _N_TRIALS, self.seed, first=(dict(self.search.start),))
            draw_settings(self._measure, self.space, plan, self._is_done, self.sign)
        shutil.rmtree(self._folder, ignore_errors=True)
        if not any(one["value"] is not None for one in self.kept):
            reason = self.kept[0].get("refused", "no epoch of it was validated")
            raise ConfigError(f"tune.space: no setting could be trained; the first one: {reason}")

    def best_setting(self) -> Setting:
        """The best setting; the first one in case of a tie."""
        return dict(max((one for one in self.kept if one["value"] is not None), key=lambda one: self.sign * float(one["value"]))["setting"])

    def describe(self) -> dict[str, Any]:
        """The best setting by dotted key as JSON values, and the keys on an edge of the space as `on_edge`."""
        best = self.best_setting()
        tried = [(one["setting"], self._value(one)) for one in self.kept]
        edges = [key for key, values in self.space.items() if edge_side(best, tried, values, key)]
        return best | {"n_trials": len(self.kept)} | ({"on_edge": edges} if edges else {})

    @property
    def _folder(self) -> Path:
        return self.run_dir / "trial"

    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._begun

    def _is_done(self) -> bool:
        minutes, fits = self.search.minutes, self.search.fits
        is_over = minutes is not None and self._seconds() >= 60 * minutes
        return is_over or len(self.kept) >= min(n_settings(self.space), math.inf if fits is None else fits)

    def _value(self, trial: Mapping[str, Any]) -> float:
        return -self.sign * math.inf if trial["value"] is None else float(trial["value"])

    def _measure(self, setting: Setting) -> float:
        """The value of a setting, which is trained unless it was tried before."""
        for trial in self.kept:
            if trial["setting"] == setting:
                return self._value(trial)
        found: dict[str, Any] = {"setting": setting, "value": None, "epochs": []}
        start = time.perf_counter()
        try:
            found["value"] = self._train(self.search.training(self.seed, setting), found)
        except MmrecError as error:  # does not include Terminated
            found["refused"] = str(error)
        self.kept.append(found | {"seconds": time.perf_counter() - start})
        write_json(self.run_dir / TRIALS, {"metric": self.metric, "trials": self.kept})
        self._tell(self.kept[-1])
        return self._value(found)

    def _train(self, training: TrainingSettings, found: dict[str, Any]) -> float | None:
        """The best validation metric of a training; `found` gets those of all epochs, and whether the training was stopped early."""
        if self._fitted is None:
            data = make_data_module(self.first, self.evidence, self.run_dir / "split")
            data.setup("fit")
            spec = make_spec(self.evidence, data)
            self._fitted = spec, fit_priors(self.first.model, spec, data.valid_set(), largest_k(self.first.measures))
        spec, priors = self._fitted
        left = _UNLIMITED_S if self.search.minutes is None else max(1.0, 60 * self.search.minutes - self._seconds())
        others = [one["epochs"] for one in self.kept if one.get("epochs")]

        pruner = _Pruner(self.search.pruner, others, self.sign)
        limits: dict[str, Any] = {"trial_seconds": left, "prune": pruner}
        trial = replace(training, loggers=lambda version: [], progress_bar=False, resume=None, every_n_steps=None, **limits)
        data = make_data_module(trial, self.evidence, self.run_dir / "split")
        fit(trial, trial.task(make_model(trial.model, spec, priors, trial.seed)), data, self._folder)
        found |= {"epochs": pruner.epochs, "pruned": pruner.is_pruned}
        best = read_best(self._folder)
        return None if best is None else float(best["value"])

    def _spent(self) -> str:
        return f"{self._seconds() / 60:.1f} of {self.search.minutes:g} minutes"

    def _tell(self, last: Mapping[str, Any]) -> None:
        """Log the last trial and the best value so far on one line."""
        values = describe_choices({key.rpartition(".")[2]: value for key, value in last["setting"].items()})
        reached = f"left out, {last['refused']}" if "refused" in last else f"{self.metric} {self._value(last):.4f}"
        reached += f", stopped after {len(last['epochs'])} epochs" if last.get("pruned") else ""
        best = max(self.sign * self._value(one) for one in self.kept) * self.sign
        spent = f"{self._seconds() / 60:.1f} minutes" if self.search.minutes is None else self._spent()
        _log.info(f"trial {len(self.kept)}: {reached} with {values}; best so far {best:.4f}; {spent}")


@dataclass
class _Pruner:
    """Decides after each epoch whether a trial is stopped. A class, since spawned processes get a copy of it."""

    rule: str
    others: list[list[float]]
    """The values of the trials before, by epoch."""
    sign: int
    epochs: list[float] = field(default_factory=list)
    is_pruned: bool = False

    def __call__(self, value: float) -> bool:
        self.epochs.append(value)
        self.is_pruned = is_hopeless(self.rule, self.epochs, self.others, self.sign)
        return self.is_pruned
