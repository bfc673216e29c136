"""Interests over time from the files of a run, and the time of a request."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from mmrec.errors import ConfigError, DataError
from mmrec.experiment.run.interests import interests_of, write_example_interests
from mmrec.experiment.run.request_time import seconds_of

DAY_S = 86_400


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "split").mkdir()
    rows = [("a", "x", 0), ("a", "y", 10 * DAY_S), ("a", "z", 10 * DAY_S + 60), ("b", "x", 20 * DAY_S)]
    pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row").write_parquet(tmp_path / "split" / "train.parquet")
    about = {"kernel": "exponential", "session_gap_hours": 6.0, "end_s": 20 * DAY_S, "half_life_days": 10.0, "gate": None}
    (tmp_path / "interest_decay.json").write_text(json.dumps(about))
    pl.DataFrame({"user_id": ["a", "b"], "half_life_days": [10.0, None]}).write_parquet(tmp_path / "half_lives.parquet")
    return tmp_path


def test_weights_are_those_of_the_kernel_and_items_come_when_they_were_chosen(run_dir: Path) -> None:
    found = interests_of(run_dir, "a", ["1970-01-06", 20 * DAY_S])
    assert found["item_id"].to_list() == ["x", "x", "y", "z"]
    assert found["weight"].to_list() == pytest.approx([1.0, 0.2, 0.4, 0.4])
    assert found["age_days"].to_list() == pytest.approx([5, 20, 10, 10])  # y and z are of one session
    over_time = interests_of(run_dir, "a")
    assert over_time["at"].n_unique() == 24
    assert over_time.group_by("at").agg(pl.col("weight").sum())["weight"].to_list() == pytest.approx([1.0] * 24)


def test_the_gate_gives_a_part_to_interests_that_last(run_dir: Path) -> None:
    about = json.loads((run_dir / "interest_decay.json").read_text()) | {"gate": {"level": 0.0, "slope": 0.0}}
    (run_dir / "interest_decay.json").write_text(json.dumps(about))
    found = interests_of(run_dir, "a", [20 * DAY_S])["weight"].to_list()
    assert found == pytest.approx([0.5 / 3 + 0.5 * weight for weight in (0.2, 0.4, 0.4)])


def test_examples_are_written_for_the_report(run_dir: Path) -> None:
    write_example_interests(run_dir)
    assert pl.read_parquet(run_dir / "interests.parquet")["user_id"].unique().sort().to_list() == ["a", "b"]


def test_a_run_without_decay_and_an_unknown_user_are_refused(run_dir: Path) -> None:
    with pytest.raises(DataError, match="user_id: `c` has no interactions"):
        interests_of(run_dir, "c")
    (run_dir / "interest_decay.json").unlink()
    write_example_interests(run_dir)
    with pytest.raises(ConfigError, match="time=decay"):
        interests_of(run_dir, "a")


def test_times_may_be_given_in_several_ways() -> None:
    expected = 983_404_800
    for at in ("2001-03-01", "2001-03-01T01:00+01:00", expected, float(expected), date(2001, 3, 1), datetime(2001, 3, 1, tzinfo=UTC)):
        assert seconds_of(at) == expected
    for wrong in ("yesterday", "", "2001-13-01", True):
        with pytest.raises(ConfigError, match="at: expected a date"):
            seconds_of(wrong)
