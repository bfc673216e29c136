"""Adversarial training: the direction and length of perturbations, λ = 0 to the bit, and an exact resumption."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from safetensors.torch import load_file

from mmrec.cli.train import train
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.errors import ConfigError
from mmrec.losses import bpr
from mmrec.models.collaborative.matrix_factorization import MatrixFactorizationRecommender
from mmrec.models.multimodal.vbpr import VBPR
from mmrec.tasks.ranking import RankingTask
from mmrec.tasks.training.adversarial import AdversarialTraining, perturbation
from mmrec.types import DatasetSpec, Features, Interactions

Compose = Callable[..., DictConfig]
FEATURES = {"image": Features(torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([True, True, True, False]))}
SPEC = DatasetSpec(3, 4, Interactions(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0])), FEATURES)
VBPR_RUN = ["model=vbpr", "model.content_dim=8", "data_module.batch_size=64", "baselines=none", "trainer.max_epochs=2"]


def batch() -> TrainBatch:
    negatives = torch.tensor([[1], [2]])
    valid = torch.ones_like(negatives, dtype=torch.bool)
    return TrainBatch(torch.tensor([0, 1]), torch.arange(2), torch.tensor([0, 1]), negatives, valid, torch.zeros(2), torch.tensor(1.0))


def vbpr_task() -> RankingTask:
    torch.manual_seed(0)
    return RankingTask(VBPR(SPEC, 3, 3, init_scale=1.0, regularization=0.0), loss=bpr)


def adversarial_loss(task: RankingTask, **given: float | list[str]) -> torch.Tensor:
    AdversarialTraining(**given).add_to(task)  # type: ignore[arg-type]
    (found,) = task.step_losses[0](batch(), torch.Generator().manual_seed(5))
    return found.value


def test_a_perturbation_has_its_length_along_the_gradient() -> None:
    rows, gradient = torch.tensor([[3.0, 4.0], [0.0, 5.0], [0.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, -1.0]])
    torch.testing.assert_close(perturbation(rows, gradient, 0.1), torch.tensor([[0.5, 0.0], [0.0, 0.0], [0.0, -0.5]]))


@pytest.mark.parametrize("of", [["tables"], ["features"], ["tables", "features"]])
def test_the_loss_is_higher_under_perturbation(of: list[str]) -> None:
    plain = vbpr_task().loss_of(batch(), torch.Generator())
    torch.testing.assert_close(adversarial_loss(vbpr_task(), of=of, epsilon=0.0), plain)
    values = [adversarial_loss(vbpr_task(), of=of, epsilon=epsilon).item() for epsilon in (0.05, 0.2)]
    assert plain.item() < values[0] < values[1]


def test_what_is_perturbed_is_only_that_and_gradients_reach_all_weights() -> None:
    task = vbpr_task()
    before = {name: one.clone() for name, one in task.model.state_dict().items()} | {"image": task.model.features.values("image").clone()}
    adversarial_loss(task, epsilon=0.5).backward()
    after = dict(task.model.state_dict()) | {"image": task.model.features.values("image")}
    assert all(after[name].equal(one) for name, one in before.items())
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in task.model.parameters())


def test_sparse_tables_are_perturbed_too() -> None:
    torch.manual_seed(0)
    task = RankingTask(MatrixFactorizationRecommender(SPEC, 3, init_scale=1.0), loss=bpr)
    value = adversarial_loss(task, of=["tables"], epsilon=0.3)
    assert value > task.loss_of(batch(), torch.Generator())
    value.backward()
    assert task.model.items.weight.grad is not None
    with pytest.raises(ConfigError, match="features to perturb"):
        AdversarialTraining(of=["features"]).add_to(task)


def test_settings_out_of_range_are_refused() -> None:
    for given in ({"epsilon": -0.1}, {"weight": -1.0}, {"of": ["pixels"]}, {"of": []}):
        with pytest.raises(ValueError, match=next(iter(given))):
            AdversarialTraining(**given)  # type: ignore[arg-type]


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    (folder,) = (run_dir / "checkpoints").iterdir()
    return load_file(max(path for path in folder.iterdir() if path.is_dir()) / "tensors.safetensors")


def trained(compose: Compose, shop_overrides: list[str], folder: Path, *words: str) -> dict[str, torch.Tensor]:
    given = [word for word in shop_overrides if not word.startswith(("task.", "optimizer.", "data_module."))]
    train(compose(*given, *VBPR_RUN, *words, f"run_dir={folder}"))
    return weights(folder)


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def test_with_weight_0_amr_is_vbpr_to_the_bit_and_a_resumed_run_is_exact(
    compose: Compose, shop_overrides: list[str], tmp_path: Path
) -> None:
    plain = trained(compose, shop_overrides, tmp_path / "plain")
    assert are_equal(trained(compose, shop_overrides, tmp_path / "zero", "robust=adversarial", "robust.weight=0"), plain)
    whole = trained(compose, shop_overrides, tmp_path / "whole", "robust=adversarial", "robust.of=[features]")
    assert not are_equal(whole, plain)
    trained(compose, shop_overrides, tmp_path / "cut", "robust=adversarial", "robust.of=[features]", "trainer.max_epochs=1")
    train(compose(f"resume={tmp_path / 'cut'}"), [f"resume={tmp_path / 'cut'}", "trainer.max_epochs=2"])
    assert are_equal(weights(tmp_path / "cut"), whole)
