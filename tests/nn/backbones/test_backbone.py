"""mmrec.nn.backbones.backbone: the table that backbones start from."""

import pytest
import torch

from mmrec.nn.backbones.backbone import Backbone, embedding_table


def test_a_table_has_the_asked_scale() -> None:
    torch.manual_seed(0)
    weight = embedding_table(500, 20, scale=0.3).weight
    assert weight.shape == (500, 20)
    assert weight.requires_grad
    assert weight.std().item() == pytest.approx(0.3, rel=0.05)
    assert weight.mean().item() == pytest.approx(0.0, abs=0.02)


def test_a_backbone_must_say_how_it_computes() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Backbone()
