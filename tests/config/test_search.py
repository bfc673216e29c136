"""mmrec.config.search: what is wrong with a search is told by key before anything is read, and by nothing without `tune.minutes`."""

from collections.abc import Callable

import pytest
from omegaconf import DictConfig

from mmrec.config.search import searched_space, with_values
from mmrec.config.settings import train_settings
from mmrec.errors import ConfigError

Compose = Callable[..., DictConfig]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["tune.minutes=0"], r"^tune\.minutes: expected above 0, found 0"),
        (["tune.minutes=-1"], r"^tune\.minutes: expected above 0, found -1"),
        (
            ["+tune.space.model.embeding_dim=[8,16]"],
            r"^tune\.space\.model\.embeding_dim: there is no such setting; .*`model\.embedding_dim`",
        ),
        (["+tune.space.split.seed=[1,2]"], r"^tune\.space\.split\.seed: there is no such setting"),
        (["+tune.space.loss._target_=[a]"], r"^tune\.space\.loss\._target_: expected package\.module\.Name"),
        (["tune.space.model.embedding_dim=[a]"], r"^tune\.space\.model\.embedding_dim: expected int, found `a`"),
        (["tune.space.optimizer.lr=[-1.0,0.1]"], r"^tune\.space\.optimizer\.lr: expected at least 0, found -1"),
        (["tune.space.loss.temperature=[0.3,0.1,log]"], r"^tune\.space\.loss\.temperature: expected a low end above 0 below the high end"),
        (["tune.space.loss.temperature=0.3"], r"^tune\.space\.loss\.temperature: expected a list of choices"),
        (
            ["~tune.space.model", "~tune.space.loss", "~tune.space.task", "~tune.space.optimizer"],
            r"^tune\.space: expected at least one setting",
        ),
        (["model=ease"], r"^tune\.minutes: EASE is fitted in closed form"),
        (["model=vbpr"], r"^tune\.space\.model\.dropout\.modality: there is no such setting"),
    ],
)
def test_what_is_wrong_is_told_by_key(compose: Compose, overrides: list[str], message: str) -> None:
    minutes = [] if any(one.startswith("tune.minutes") for one in overrides) else ["tune.minutes=1"]
    with pytest.raises(ConfigError, match=message):
        train_settings(compose(*minutes, *overrides))


def test_without_minutes_nothing_is_searched_and_the_space_may_be_of_another_model(compose: Compose) -> None:
    assert searched_space(compose("model=vbpr")) == {} and train_settings(compose("model=vbpr")).search is None


def test_the_configured_values_come_first_and_a_setting_is_that_of_the_training(compose: Compose) -> None:
    cfg = compose("tune.minutes=2", "model.embedding_dim=16")
    search = train_settings(cfg).search
    assert search is not None and search.minutes == 2 and search.start["model.embedding_dim"] == 16
    assert search.start.keys() == search.space.keys() and search.start["optimizer.weight_decay"] == pytest.approx(0.3)
    assert "embedding_dim: 32" in search.config({"model.embedding_dim": 32}) and cfg.model.embedding_dim == 16
    assert with_values(cfg, {"loss.temperature": 0.2}).loss.temperature == pytest.approx(0.2)
