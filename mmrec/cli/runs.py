"""Run folders as the verbs are given them: found, or refused with the nearest ones."""

from pathlib import Path

from mmrec.errors import MissingFile


def find_run(path: str | Path) -> Path:
    """A finished run folder. Raises MissingFile, naming the runs that are there, where it is none."""
    run_dir = Path(path)
    if not (run_dir / "metrics.json").is_file():
        what = "holds no finished run (no metrics.json)" if run_dir.is_dir() else "is not there"
        others = sorted(str(p.parent) for p in run_dir.parent.glob("*/metrics.json"))[-5:]
        raise MissingFile(f"run: {run_dir} {what}" + (f"; there are {', '.join(others)}" if others else ""))
    return run_dir
