"""Read runs from their folders for a comparison."""

from pathlib import Path

from mmrec.errors import MissingFile
from mmrec.evaluation.compare.runs import MeasuredRun
from mmrec.experiment.run_folder.files import read_entry, read_measured, read_table
from mmrec.experiment.run_folder.find import convert_file_errors
from mmrec.files.storage import read_json
from mmrec.types import USER_ID


def read_measured_run(folder: Path, label: str) -> MeasuredRun:
    """Read the per-user results of a run's model. Raises MissingFile or DataError if the folder lacks required content."""
    about, metrics, per_user = read_json(folder / "run.json"), read_json(folder / "metrics.json"), folder / "per_user.parquet"
    if not per_user.is_file():
        raise MissingFile(f"{per_user}: not found; the paired comparison requires it, train the run again")
    ours, split_hash = (read_entry(folder / "run.json", about, keys, str) for keys in (("model",), ("split", "hash")))
    measured = read_measured(folder / "metrics.json", metrics, ours)
    with convert_file_errors(folder):
        rows = read_table(per_user, USER_ID, "model", "seed").filter(model=ours).drop("model")
        slices = metrics.get("slices", {}).get(ours, {})
        return MeasuredRun(label, str(folder), measured, slices, rows, split_hash, tuple(metrics.get("lower_is_better", ())))
