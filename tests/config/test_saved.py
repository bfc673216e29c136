"""The configuration of a saved run: what is none, and what a run of an older mmrec lacks."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from mmrec.cli.evaluate import evaluate
from mmrec.cli.train import train
from mmrec.config.check import check
from mmrec.config.saved import _BEFORE, saved_config
from mmrec.config.values import flat, plain
from mmrec.errors import DataError
from mmrec.experiment.run_folder.find import convert_file_errors
from mmrec.experiment.run_folder.origin import remember_run
from mmrec.schemas import TrainConfig

Compose = Callable[..., DictConfig]
ADDED = [*(key for key, _ in flat(_BEFORE)), *(key for key, value in _BEFORE.items() if value == {})]


def save(folder: Path, text: str) -> Path:
    (folder / "config.yaml").write_text(text)
    return folder


def test_what_is_there_stays_and_what_is_not_is_as_it_was(tmp_path: Path) -> None:
    saved = saved_config(save(tmp_path, "seed: 7\nfeatures: {store: there}\nfilter: {min_rating: 4, min_per_user: 5}\n"))
    assert (saved.seed, saved.features.store, saved.features.engine) == (7, "there", "local")
    assert saved.filter == {"min_rating": 4, "min_per_user": 5, "repeated": "first", "min_per_item": 1, "labels": "ignore"}
    assert saved.linear is None and saved.trend is None  # their defaults are none
    assert list(saved)[:3] == ["seed", "features", "filter"]


def test_keys_of_before_the_maps_stand_where_they_are_today(tmp_path: Path) -> None:
    older = "text_encoder: {cache: a}\nimage_encoder: {revision: b}\nevidence: {text: false, others: shuffled}\n"
    saved = saved_config(save(tmp_path, older))
    assert saved.encoders == {"text": {"cache": "a"}, "image": {"revision": "b"}} and not {"text_encoder", "image_encoder"} & saved.keys()
    assert saved.evidence == {"text": False} and saved.further_evidence == "shuffled"
    assert saved_config(save(tmp_path, "evidence: {text: false}\n")).further_evidence is True


def test_a_run_of_before_the_maps_is_evaluated_and_resumed(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    run = train(compose(*shop_overrides, "linear=none", "trend=none", "baselines=none", f"run_dir={tmp_path / 'run'}"))
    older = shutil.copytree(run, tmp_path / "older")
    saved = OmegaConf.load(older / "config.yaml")
    encoders = saved.pop("encoders")
    saved.text_encoder, saved.image_encoder = encoders.text, encoders.image
    saved.evidence.others = saved.pop("further_evidence")
    OmegaConf.save(saved, older / "config.yaml")
    remember_run(older)
    found = [evaluate(compose(f"run={folder}", name="evaluate")) for folder in (run, older)]
    assert found[0] == found[1]
    assert train(compose(f"resume={older}", f"trainer.max_epochs={saved.trainer.max_epochs + 1}")) == older


def test_a_task_of_before_the_roles_has_theirs(tmp_path: Path) -> None:
    task = "task: {_target_: mmrec.tasks.ranking.RankingTask, embedding_lr: 0.1%s}\n"
    assert saved_config(save(tmp_path, task % "")).task.groups == {"tables": {"weight_decay": 0.0}}
    assert saved_config(save(tmp_path, task % ", groups: {}")).task.groups == {}
    assert "groups" not in saved_config(save(tmp_path, "task: {_target_: theirs.Task}\n")).task


def test_every_key_that_came_later_is_one_of_the_configuration(compose: Compose) -> None:
    cfg = plain(compose())
    assert {key.partition(".")[0] for key in ADDED} <= cfg.keys()
    assert {key for key in ADDED if "." in key} <= {key for key, _ in flat(cfg)}


@pytest.mark.parametrize("text", ["[1, 2]\n", "- a: 1\n", "a: [\n"])
def test_what_is_no_configuration_is_one_message(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is invalid"), convert_file_errors(save(tmp_path, text)):
        saved_config(tmp_path)


def test_a_run_without_the_later_keys_is_evaluated(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    bare = ["linear=none", "trend=none", "evidence.text=false", "evidence.image=false", "evidence.kg=false", "baselines=none"]
    run = train(compose(*shop_overrides, *bare, f"run_dir={tmp_path / 'run'}"))
    older = shutil.copytree(run, tmp_path / "older")
    saved = OmegaConf.load(older / "config.yaml")
    for key in ADDED:
        node, _, name = key.rpartition(".")
        (OmegaConf.select(saved, node) if node else saved).pop(name)
    assert "filter" not in saved or not saved.filter
    OmegaConf.save(saved, older / "config.yaml")
    check(saved_config(older), TrainConfig)
    remember_run(older)
    found = [evaluate(compose(f"run={folder}", name="evaluate")) for folder in (run, older)]
    assert found[0] == found[1]
