"""What is read back of the logs: all that was written whole."""

from pathlib import Path

import polars as pl
import pytest

from mmrec.experiment.run_folder.record import write_curves

HEADER, FIRST, SECOND = "epoch,step,train/loss,val/ndcg@20\r\n", "0,3,,0.25\r\n0,3,1.5,\r\n", "1,7,,0.3125\r\n"


def curves_of(run_dir: Path, *logs: str) -> list[tuple[int, str, float]]:
    """The curves of a training that left these logs, one each time it was resumed."""
    for number, log in enumerate(logs):
        folder = run_dir / "logs" / "csv" / ("seed_1" if not number else f"seed_1-{number}")
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_bytes(log.encode())
    write_curves(run_dir, [1])
    return sorted(pl.read_parquet(run_dir / "curves.parquet").select("epoch", "metric", "value").rows())


@pytest.mark.parametrize("n_left", range(1, len(SECOND)))
def test_half_a_row_is_no_row(n_left: int, tmp_path: Path) -> None:
    assert curves_of(tmp_path, HEADER + FIRST + SECOND[:n_left]) == [(0, "train/loss", 1.5), (0, "val/ndcg@20", 0.25)]


@pytest.mark.parametrize("left", ["", HEADER[:9], HEADER, HEADER + FIRST[:7]])
def test_a_log_that_hardly_began_takes_nothing_from_its_successor(left: str, tmp_path: Path) -> None:
    assert curves_of(tmp_path, left, HEADER + FIRST) == [(0, "train/loss", 1.5), (0, "val/ndcg@20", 0.25)]


def test_of_an_epoch_that_was_repeated_the_last_counts(tmp_path: Path) -> None:
    found = curves_of(tmp_path, HEADER + FIRST + "1,7,,0.5\r\n1,7,9.0", HEADER + SECOND)
    assert found == [(0, "train/loss", 1.5), (0, "val/ndcg@20", 0.25), (1, "val/ndcg@20", 0.3125)]
