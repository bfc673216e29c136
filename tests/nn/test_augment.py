"""Augmentation: what it may change and what it must keep."""

import torch

from mmrec.nn.augment import augment_pictures


def augmented(pictures: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return augment_pictures(pictures, torch.Generator().manual_seed(seed))


def test_one_colour_stays_that_hue():
    red = torch.zeros(64, 3, 16, 16, dtype=torch.uint8)
    red[:, 0] = 200
    changed = augmented(red)
    assert changed.shape == red.shape and changed.min() >= 0 and changed.max() <= 1
    assert (changed[:, 0] > changed[:, 1] + 0.3).all()
    torch.testing.assert_close(changed[:, 1], changed[:, 2])
    assert changed[:, 0].flatten(1).mean(1).std() > 0.01  # the light did vary


def test_half_are_mirrored_and_none_is_upside_down():
    picture = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    picture[:, :, :, 8:] = 120  # right half brighter ...
    picture[:, :, 8:] += 100  # ... and the lower half brighter still
    changed = augmented(picture.expand(400, 3, 16, 16)).mean(1)
    mirrored = changed[:, :, :2].mean((1, 2)) > changed[:, :, -2:].mean((1, 2))
    assert 0.4 < mirrored.float().mean() < 0.6
    assert (changed[:, -2:].mean((1, 2)) > changed[:, :2].mean((1, 2))).all()


def test_crops_differ_but_the_seed_decides():
    ramp = torch.arange(16, dtype=torch.uint8).mul(10).expand(32, 3, 16, 16).contiguous()
    assert torch.equal(augmented(ramp), augmented(ramp))
    assert not torch.equal(augmented(ramp), augmented(ramp, seed=1))
    spread = augmented(ramp).mean((1, 2)).amax(1) - augmented(ramp).mean((1, 2)).amin(1)
    assert spread.std() > 0.01
