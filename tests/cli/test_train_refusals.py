"""What a run refuses before it begins: to choose by what validation does not measure, and to write over a finished one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from mmrec.cli.train import train
from mmrec.errors import ConfigError

Compose = Callable[..., DictConfig]


@pytest.mark.parametrize("metric", ["test/ndcg@20", "val/ndcg@5", "ndcg@20", "val/loss"])
def test_only_a_validation_metric_may_choose(metric: str, compose: Compose, shop_overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"^selection\.metric: .* is not computed on the validation part"):
        train(compose(*shop_overrides, f"selection.metric={metric}"))


def test_a_finished_run_is_not_overwritten(tmp_path: Path, compose: Compose, shop_overrides: list[str]) -> None:
    for name in ("metrics.json", "run.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match=r"^run_dir: .* holds a finished run"):
        train(compose(*shop_overrides, f"run_dir={tmp_path}"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "run.json"]
