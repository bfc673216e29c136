"""`mmrec evaluate run=…`: the test metrics of a run, computed again from its checkpoints and compared with what it reported."""

from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from mmrec.config import check
from mmrec.errors import DataError
from mmrec.evaluation.measure.evaluate import evaluate as evaluate_scorer
from mmrec.evaluation.measure.evaluate import mean_over_seeds, means
from mmrec.evaluation.measure.grades import read_grades
from mmrec.experiment.fit import checkpoint_folder
from mmrec.experiment.predictions import evaluate_predictions
from mmrec.experiment.prepare import fit_priors, load_evidence, make_data_module, make_spec, say
from mmrec.experiment.run_config import open_config
from mmrec.experiment.run_files import read_entry, read_measured, read_split
from mmrec.experiment.runs import find_run, read_as_run
from mmrec.experiment.saved_models import load_model
from mmrec.files.storage import read_json
from mmrec.schemas import EvaluateConfig, TrainConfig
from mmrec.terminal import show

TOLERANCE = 1e-4


def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Returns the test metrics, mean over the run's seeds, of exactly the split that the run kept; or those of the file `predictions`.

    Raises MissingFile where there is no such run, DataError where its data are no longer the same or the metrics differ by more than 1e-4.
    """
    check(cfg, EvaluateConfig)
    if cfg.predictions is not None:
        return evaluate_predictions(cfg.run, cfg.predictions)
    run_dir = find_run(cfg.run)
    named = {f"data.{key}": value for key, value in cfg.data.items() if value is not None}
    saved = OmegaConf.merge(open_config(run_dir, cfg, named), {"trusted_packages": cfg.trusted_packages})
    for key, value in named.items():
        OmegaConf.update(saved, key, value)
    check(saved, TrainConfig)
    with read_as_run(run_dir):
        record = run_dir / "run.json"
        recorded = read_json(record)
        ours, data_hash = read_entry(record, recorded, ("model",), str), read_entry(record, recorded, ("data", "hash"), str)
        seeds = read_entry(record, recorded, ("seeds",), list[int])
        reported = read_measured(run_dir / "metrics.json", read_json(run_dir / "metrics.json"), ours)
        read_split(run_dir, recorded)
    if not seeds:
        raise DataError(f"{record}: `seeds`: expected one or more, found none")
    has_grades = any(name.startswith("test/graded_ndcg@") for name in reported)
    evidence = load_evidence(saved)
    if evidence.dataset.content_hash != data_hash:
        raise DataError(f"the data of {evidence.dataset.name} have changed since {run_dir} was made; train again")
    by_seed = []
    for seed in seeds:
        seeded = OmegaConf.merge(saved, {"seed": seed})
        data = make_data_module(seeded, evidence, run_dir / "split")
        data.setup("test")
        spec = make_spec(evidence, data)
        model = load_model(seeded, spec, fit_priors(seeded, spec, data.valid_set()), checkpoint_folder(run_dir, seed))
        graded = read_grades(run_dir / "split", evidence.index).test if has_grades else None
        evaluated = evaluate_scorer(model.freeze(), data.test_set(), list(saved.task.ks), graded, "test/auc" in reported)
        by_seed.append(means(evaluated.per_user, "test"))
        say(f"seed {seed}: evaluated")
    found = mean_over_seeds(by_seed)
    if missing := found.keys() - reported.keys():
        raise DataError(f"{run_dir / 'metrics.json'}: expected `models.{ours}.{min(missing)}`, found none")
    show(_table(found, reported))
    differing = [name for name, value in found.items() if abs(value - reported[name]) > TOLERANCE]
    if differing:
        raise DataError(f"{', '.join(differing)} differ from {run_dir / 'metrics.json'} by more than {TOLERANCE}; were its files changed?")
    return found


def _table(found: dict[str, float], reported: dict[str, float]) -> Table:
    table = Table("metric", "now", "reported")
    for name, value in found.items():
        table.add_row(name, f"{value:.4f}", f"{reported[name]:.4f}")
    return table
