"""Folders of configuration beside ours: what is plain is composed, what Hydra would build at once is refused."""

from pathlib import Path

import pytest

from mmrec.config.hydra.external_config import check_config_dirs
from mmrec.errors import ConfigError
from mmrec.schemas import register_schemas

register_schemas()


def experiment(folder: Path, text: str) -> list[str]:
    """The words that name an experiment of a folder of theirs."""
    (folder / "experiment").mkdir()
    (folder / "experiment" / "theirs.yaml").write_text(f"# @package _global_\n{text}")
    return ["--config-dir", str(folder), "experiment=theirs"]


def test_plain_values_may_be_given(tmp_path: Path) -> None:
    check_config_dirs(experiment(tmp_path, "seed: 7\nhydra:\n  sweeper:\n    params:\n      seed: 1,2\n"), "train")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("hydra:\n  callbacks:\n    x:\n      _target_: os.mkdir\n", "hydra.callbacks"),
        ("hydra:\n  job_logging:\n    handlers:\n      x:\n        class: os.mkdir\n", "hydra.job_logging"),
        ("hydra:\n  hydra_logging: ${x}\n", "hydra.hydra_logging"),
        ("hydra:\n  sweeper:\n    params:\n      a: ${x}\n", "hydra.sweeper"),
        ("seed: !!python/name:os.system\n", "not a valid configuration in YAML"),
        ("seed: [\n", "not a valid configuration in YAML"),
    ],
)
def test_what_hydra_would_build_is_refused(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        check_config_dirs(experiment(tmp_path, text), "train")


def test_nothing_is_composed_where_no_folder_is_named() -> None:
    check_config_dirs(["no_such_key=1"], "train")


def test_a_folder_in_place_of_ours_is_refused() -> None:
    with pytest.raises(ConfigError, match="--config-dir"):
        check_config_dirs(["--config-path", "/x"], "train")
