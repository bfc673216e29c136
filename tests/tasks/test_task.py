"""What every task shares: metrics known before data, and rates by role; and that configuration and constructor agree."""

import inspect
from collections.abc import Callable, Collection

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from mmrec.config.task import set_selection_metric, task_metrics
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.errors import ConfigError
from mmrec.experiment.measures import largest_k
from mmrec.losses import bpr
from mmrec.models.recommender import FrozenScorer, GradientRecommender, TrainScores
from mmrec.tasks.ranking import KS, RankingTask
from mmrec.tasks.task import GROUPS, declared_metrics
from mmrec.types import DatasetSpec, Interactions


class TableAndHead(GradientRecommender):
    modalities = ()

    def __init__(self) -> None:
        super().__init__(DatasetSpec(3, 2, Interactions(torch.tensor([0]), torch.tensor([0]))))
        self.users, self.head = torch.nn.Embedding(3, 2), torch.nn.Linear(2, 1)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        raise NotImplementedError

    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        raise NotImplementedError


def make_task(**arguments: object) -> RankingTask:
    return RankingTask(TableAndHead(), bpr, lambda params: torch.optim.AdamW(params, lr=0.1, weight_decay=0.3), **arguments)


def test_the_configuration_and_the_constructor_agree(compose: Callable[..., DictConfig]) -> None:
    cfg = OmegaConf.to_container(compose("seed=0"), resolve=True)
    defaults = {name: one.default for name, one in inspect.signature(RankingTask).parameters.items() if one.default is not one.empty}
    loss, optimizer = defaults.pop("loss"), defaults.pop("optimizer")
    defaults |= {"ks": KS, "groups": GROUPS}  # what stands for None
    assert own(cfg["task"]) == defaults
    assert own(cfg["optimizer"]) == optimizer.keywords and cfg["optimizer"]["_target_"] == "torch.optim.AdamW"
    assert optimizer.func is torch.optim.AdamW and cfg["loss"]["_target_"] == f"{loss.__module__}.{loss.__name__}"
    assert all(inspect.signature(loss).parameters[name].default == value for name, value in own(cfg["loss"]).items())


def own(node: dict[str, object]) -> dict[str, object]:
    """The arguments in a node, without what Hydra reads."""
    return {name: value for name, value in node.items() if not name.startswith("_")}


def test_ranking_selects_by_ndcg_at_the_largest_cutoff() -> None:
    declared = declared_metrics(RankingTask, {"ks": [50, 5]})
    assert declared.default == "val/ndcg@50"
    assert {"recall@5", "recall@50"} < {metric.name for metric in declared.metrics}
    assert (declared.lower_is_better, declared.sign("val/ndcg@50")) == ([], 1)
    assert declared_metrics(RankingTask, {}).default == "val/ndcg@20"


def test_what_selects_is_the_tasks_own_unless_it_is_said(compose: Callable[..., DictConfig]) -> None:
    cfg = compose("task.ks=[5]")
    set_selection_metric(cfg)
    assert (cfg.selection.metric, largest_k(task_metrics(cfg))) == ("val/ndcg@5", 5)
    cfg = compose("selection.metric=val/recall@10")
    set_selection_metric(cfg)
    assert cfg.selection.metric == "val/recall@10"
    with pytest.raises(ConfigError, match=r"^selection\.metric: `val/rmse` is not computed"):
        set_selection_metric(compose("selection.metric=val/rmse"))
    with pytest.raises(ConfigError, match=r"^task\.ks: expected at least one cutoff"):
        set_selection_metric(compose("task.ks=[]"))


def test_a_target_that_is_no_task_is_refused(compose: Callable[..., DictConfig]) -> None:
    with pytest.raises(ConfigError, match=r"^task\._target_: expected a class made from mmrec\.tasks\.task\.Task"):
        task_metrics(compose("task._target_=mmrec.losses.bpr"))


def test_tables_and_networks_learn_at_rates_of_their_own() -> None:
    groups = make_task(embedding_lr=0.5).configure_optimizers().param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(0.5, 0.0), (0.1, 0.3)]
    rates = {"tables": {"weight_decay": 0.2}, "networks": {"lr": 0.01}}
    groups = make_task(embedding_lr=0.5, groups=rates).configure_optimizers().param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(0.5, 0.2), (0.01, 0.3)]


def test_the_rate_of_tables_is_said_once() -> None:
    with pytest.raises(ValueError, match=r"task\.groups\.tables\.lr: set task\.embedding_lr"):
        make_task(groups={"tables": {"lr": 1.0}})
