"""`mmrec evaluate attack=…` on a small run: attacked features end up in items and histories, and the goal is reached."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from mmrec.cli.evaluate import evaluate
from mmrec.cli.train import train
from mmrec.config.settings import evaluate_settings
from mmrec.errors import ConfigError
from mmrec.experiment.attacks.attacked_features import attack_features
from mmrec.experiment.attacks.targets import Target, attacked_items
from mmrec.experiment.evaluate import Restored, restore
from mmrec.experiment.models import make_data_module
from mmrec.files.storage import read_json
from mmrec.models.multimodal.changed_features import ChangedFeatures
from mmrec.nn.attacks.misspelling import WordAttack
from mmrec.nn.attacks.projected_gradient import PictureAttack
from mmrec.types import IMAGE, TEXT

Compose = Callable[..., DictConfig]
ATTACK = PictureAttack(epsilon_255=8, steps=3)
WORDS = WordAttack(n_changes=1, candidates=2)


@pytest.fixture(scope="module")
def restored(compose: Compose, cold_run: Path) -> Restored:
    return restore(evaluate_settings(compose(f"run={cold_run}", name="evaluate")))


def target_of(restored: Restored, modality: str, goal: str) -> Target:
    data = make_data_module(restored.training, restored.evidence, restored.checkpoint.parents[1] / "split")
    data.setup("test")
    changed = ChangedFeatures(restored.model, modality, restored.spec.features[modality])
    return Target.of(changed, goal, data.train, 5, 0)


@pytest.mark.parametrize("modality", [IMAGE, TEXT])
def test_with_unchanged_features_all_scores_are_as_before(restored: Restored, modality: str) -> None:
    values, items = restored.spec.features[modality].values, torch.arange(restored.spec.n_items)
    changed = ChangedFeatures(restored.model, modality, restored.spec.features[modality])
    torch.testing.assert_close(changed.items(values, items), changed.before, atol=1e-5, rtol=1e-4)
    before, after = restored.model.freeze(), changed.model_with(values).freeze()
    torch.testing.assert_close(after.items, before.items)
    torch.testing.assert_close(after.users, before.users)


@pytest.mark.parametrize("goal", ["accuracy", "promote"])
@pytest.mark.parametrize(("modality", "attack"), [(IMAGE, ATTACK), (TEXT, WORDS)])
def test_the_goal_is_nearer_for_every_attacked_item(restored: Restored, modality: str, attack: PictureAttack, goal: str) -> None:
    target, clean = target_of(restored, modality, goal), restored.spec.features[modality]
    items = clean.present.nonzero().squeeze(1)[:6]
    found = attack_features(target, restored.spec.item_inputs[modality], items, attack)
    again = attack_features(target, restored.spec.item_inputs[modality], items, attack)
    assert found.equal(again)
    before, after = target.value(clean.values[items], items), target.value(found, items)
    assert (after >= before - 1e-5).all() and (after > before + 1e-5).any()


def test_histories_see_the_attacked_inputs(restored: Restored) -> None:
    clean = restored.spec.features[IMAGE]
    changed = ChangedFeatures(restored.model, IMAGE, clean)
    after = changed.model_with(clean.values.flip(0)).freeze()
    assert not torch.allclose(after.users, changed.users, atol=1e-3)


def test_only_named_or_unpopular_items_are_promoted(restored: Restored) -> None:
    table, has = restored.evidence.index.align(restored.evidence.dataset.items), restored.spec.features[IMAGE].present
    degree = torch.bincount(restored.spec.train.item_idx, minlength=restored.spec.n_items)
    lamps = attacked_items(PictureAttack(goal="promote", column="genre", value="lamp"), table, has, degree)
    assert {table["genre"][at] for at in lamps.tolist()} == {"lamp"}
    few = attacked_items(PictureAttack(goal="promote", share=0.1), table, has, degree)
    assert len(few) == 4 and degree[few].max() == 0
    with pytest.raises(ConfigError, match=r"attack\.column.*did you mean `genre`"):
        attacked_items(PictureAttack(goal="promote", column="gene", value="lamp"), table, has, degree)
    with pytest.raises(ConfigError, match=r"attack\.value.*lamp"):
        attacked_items(PictureAttack(goal="promote", column="genre", value="lamps"), table, has, degree)


def test_the_command_measures_both_runs_and_writes_the_table(
    compose: Compose, cold_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(cold_run, tmp_path / "run"))
    words = [f"run={run}", f"defended={cold_run}", "attack=pgd", "attack.steps=2", "attack.goal=promote", "attack.share=0.1"]
    found = evaluate(compose(*words, name="evaluate"))
    assert found["run/test/ndcg@20"] == found["defended/test/ndcg@20"]
    written = read_json(run / "attack.json")["pgd"]
    assert written["runs"]["run"]["attacked"]["test/ndcg@20"] == found["run/test/ndcg@20"]
    reported = read_json(cold_run / "metrics.json")["models"]["fusion"]["test/ndcg@20"]
    assert written["runs"]["run"]["clean"]["test/ndcg@20"] == pytest.approx(reported, abs=1e-6)
    assert "attacked_items@20" in capsys.readouterr().out


def test_what_cannot_be_attacked_is_refused(compose: Compose, shop_overrides: list[str], cold_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="defended: expected an attack"):
        evaluate(compose(f"run={cold_run}", f"defended={cold_run}", name="evaluate"))
    run_dir = train(
        compose(*shop_overrides, "evidence.image=false", "baselines=none", "trainer.max_epochs=1", f"run_dir={tmp_path / 'run'}")
    )
    with pytest.raises(ConfigError, match="items by their pictures"):
        evaluate(compose(f"run={run_dir}", "attack=pgd", name="evaluate"))
