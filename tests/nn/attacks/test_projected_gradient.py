"""Projected gradient ascent on the pictures of a small CLIP: the ball, the goal, gradients of pixels, seeds."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mmrec.nn.attacks.projected_gradient import PictureAttack, ascend, attack_pictures
from mmrec.nn.encoders.image import normalize_pictures
from tests.nn.encoders.tiny_clip_models import make_network, make_pictures, size_of

ATTACK = PictureAttack(epsilon_255=3, steps=4)
NETWORK = make_network("tiny_clip").requires_grad_(False)
PICTURES = torch.stack(make_pictures(3, size_of("tiny_clip"))).permute(0, 3, 1, 2)
DIRECTION = torch.randn(128, generator=torch.Generator().manual_seed(2))


def along(features: Tensor) -> Tensor:
    return features @ DIRECTION


def attacked(attack: PictureAttack = ATTACK, seed: int = 0) -> Tensor:
    return attack_pictures(PICTURES, NETWORK.encode_pixels, along, attack, torch.Generator().manual_seed(seed))


def value(pictures: Tensor) -> Tensor:
    return along(NETWORK(list(pictures.permute(0, 2, 3, 1))))


def test_pixels_are_encoded_as_decoded_pictures_are() -> None:
    normalised = normalize_pictures(list(PICTURES.permute(0, 2, 3, 1)), NETWORK.mean, NETWORK.std)
    expected = torch.nn.functional.normalize(NETWORK.model(normalised), dim=1)
    torch.testing.assert_close(NETWORK.encode_pixels(PICTURES.float() / 255), expected, atol=1e-5, rtol=1e-4)


def test_the_goal_rises_within_the_ball() -> None:
    found = attacked()
    change = (found.int() - PICTURES.int()).abs()
    assert 0 < change.max() <= 3 and found.dtype == torch.uint8
    noise = torch.randint(-3, 4, PICTURES.shape, generator=torch.Generator().manual_seed(1))
    random = (PICTURES.int() + noise).clamp(0, 255).to(torch.uint8)
    assert ((value(found) - value(PICTURES)) > 3 * (value(random) - value(PICTURES)).abs()).all()


def test_a_larger_ball_and_more_restarts_are_no_worse() -> None:
    assert (value(attacked(replace(ATTACK, epsilon_255=12))) > value(attacked())).all()
    assert (value(attacked(replace(ATTACK, restarts=2))) >= value(attacked())).all()


def test_what_cannot_be_raised_is_left_unchanged() -> None:
    def clean_is_best(features: Tensor) -> Tensor:
        return -(features - clean).square().sum(dim=1)

    clean = NETWORK.encode_pixels(PICTURES.float() / 255)
    found = attack_pictures(PICTURES, NETWORK.encode_pixels, clean_is_best, ATTACK, torch.Generator().manual_seed(0))
    assert found.equal(PICTURES)


def test_seeds_repeat_and_differ() -> None:
    assert attacked().equal(attacked())
    assert not attacked(seed=1).equal(attacked())


def test_gradients_reach_the_pixels_of_each_picture_alone() -> None:
    clean = PICTURES.float() / 255

    def of_first(features: Tensor) -> Tensor:
        return along(features) * torch.tensor([1.0, 0.0, 0.0])

    changed = ascend(clean, clean, NETWORK.encode_pixels, of_first, 3 / 255, 1 / 255)
    moved = (changed - clean).abs().flatten(1)
    assert (moved[0] > 0).float().mean() > 0.9 and moved[1:].max() == 0


@pytest.mark.parametrize("given", [{"epsilon_255": 0}, {"steps": 0}, {"restarts": 0}, {"goal": "chaos"}, {"column": "genre"}])
def test_settings_out_of_range_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        PictureAttack(**given)  # type: ignore[arg-type]
