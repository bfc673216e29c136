"""The contrastive task: its loss against a hand computation, its schedule, and that a few steps learn to match pairs."""

import math
from itertools import pairwise

import open_clip
import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader, TensorDataset

from mmrec.losses import contrastive_loss
from mmrec.metrics.retrieval import retrieval_recall
from mmrec.tasks.contrastive import ContrastiveTask, warmup_cosine

N, SIZE = 16, 16
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def tiny_model() -> torch.nn.Module:
    torch.manual_seed(0)
    vision = {"image_size": SIZE, "patch_size": 8, "width": 32, "head_width": 16, "layers": 1}
    text = {"context_length": 4, "vocab_size": N + 2, "width": 32, "heads": 2, "layers": 1}
    return open_clip.CLIP(embed_dim=16, vision_cfg=vision, text_cfg=text)


def coloured_pairs() -> tuple[torch.Tensor, torch.Tensor]:
    """16 pictures of one colour each, and texts of the tokens `start, colour's number, end, padding`."""
    colours = torch.cartesian_prod(torch.tensor([20, 230]), torch.tensor([20, 230]), torch.tensor([10, 90, 170, 250]))
    pictures = colours[:, :, None, None].expand(N, 3, SIZE, SIZE).to(torch.uint8)
    tokens = torch.tensor([[1, 2 + number - 1, N + 1, 0] for number in range(N)])
    return pictures.contiguous(), tokens


def fit(task: ContrastiveTask, epochs: int) -> None:
    loader = DataLoader(TensorDataset(*coloured_pairs()), N, shuffle=True, generator=torch.Generator().manual_seed(0))
    options = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False, "enable_progress_bar": False}
    Trainer(accelerator="cpu", max_epochs=epochs, gradient_clip_val=1.0, **options).fit(task, loader)


def recall(task: ContrastiveTask) -> float:
    return retrieval_recall(*task.encode_pairs(*coloured_pairs(), 5), 1)


def test_loss_by_hand():
    images, texts = torch.eye(2), torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    # Logits at scale 2: [[2, 1.2], [0, 1.6]]; cross-entropies of the rows and of the columns.
    rows = [math.log(1 + math.exp(1.2 - 2)), math.log(1 + math.exp(0 - 1.6))]
    columns = [math.log(1 + math.exp(0 - 2)), math.log(1 + math.exp(1.2 - 1.6))]
    assert contrastive_loss(images, texts, 2.0).item() == pytest.approx(sum(rows + columns) / 4)


def test_loss_equals_open_clips():
    images, texts = (torch.nn.functional.normalize(torch.randn(7, 5, generator=torch.Generator().manual_seed(s)), dim=1) for s in (0, 1))
    torch.testing.assert_close(contrastive_loss(images, texts, 10.0), open_clip.ClipLoss()(images, texts, 10.0))


def test_schedule_rises_then_falls_to_zero():
    factors = [warmup_cosine(step, 100, 0.1) for step in range(101)]
    assert factors[0] == pytest.approx(0.1) and factors[9] == 1
    assert factors[10] == 1 and factors[55] == pytest.approx(0.5) and factors[100] == pytest.approx(0)
    assert all(a >= b for a, b in pairwise(factors[10:]))


def test_few_steps_learn_sixteen_coloured_pairs():
    task = ContrastiveTask(tiny_model(), MEAN, STD, learning_rate=3e-3, n_steps=80, seed=0)
    before = recall(task)
    task.train()
    fit(task, 80)
    assert before < 0.4 < 0.7 < recall(task)


def test_same_seed_gives_the_same_weights():
    weights = []
    for _ in range(2):
        task = ContrastiveTask(tiny_model(), MEAN, STD, learning_rate=3e-3, n_steps=3, seed=5)
        fit(task, 3)
        weights.append(torch.cat([p.detach().flatten() for p in task.model.parameters()]))
    assert torch.equal(*weights)


def test_pictures_are_normalised_as_told():
    task = ContrastiveTask(tiny_model(), MEAN, STD, learning_rate=1e-3, n_steps=1, seed=0)
    pictures = torch.rand(2, 3, SIZE, SIZE)
    torch.testing.assert_close(task.encode_pictures(pictures), task.model.encode_image((pictures - 0.5) / 0.25, normalize=True))


def test_only_matrices_decay():
    task = ContrastiveTask(tiny_model(), MEAN, STD, learning_rate=1e-3, n_steps=1, seed=0, weight_decay=0.3)
    decayed, others = task.configure_optimizers()["optimizer"].param_groups
    assert decayed["weight_decay"] == 0.3 and others["weight_decay"] == 0
    assert all(p.ndim > 1 for p in decayed["params"]) and any(p is task.model.logit_scale for p in others["params"])
