"""Which way metrics are better: by name, with its part and cutoff, and as a task declares."""

import pytest

from mmrec import plugins
from mmrec.metrics import click, rating
from mmrec.metrics.direction import LOWER_IS_BETTER, Metric, lower_of, sign
from mmrec.metrics.ranking import METRICS


def test_every_metric_of_mmrec_has_its_direction() -> None:
    assert all(sign(f"val/{name}@20") == 1 for name in (*METRICS, "auc", "graded_ndcg"))
    errors = {name for module in (rating, click) for name in vars(module) if name.startswith(("rmse", "mae", "log_loss", "ece_"))}
    assert errors <= LOWER_IS_BETTER


@pytest.mark.parametrize(
    ("name", "declared", "expected"),
    [("rmse", [], -1), ("test/rmse", [], -1), ("cost@5", [], 1), ("val/cost@5", ["cost@5"], -1), ("cost@10", ["cost@5"], 1)],
)
def test_a_name_may_have_a_part_and_a_cutoff(name: str, declared: list[str], expected: int) -> None:
    assert sign(name, declared) == expected


def test_the_lower_ones_of_a_task() -> None:
    assert lower_of([Metric("ndcg@5"), Metric("rmse", False)]) == ["rmse"]


def test_a_metric_of_a_package_says_so_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def regret() -> None: ...

    monkeypatch.setattr(plugins, "load_metrics", lambda: {"regret": regret})
    assert sign("val/regret@5") == 1
    regret.higher_is_better = False
    assert sign("val/regret@5") == -1
