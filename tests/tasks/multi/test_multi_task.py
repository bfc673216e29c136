"""mmrec.tasks.multi.multi_task: the loss is the weighted sum, one task alone is that task, and what is measured."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.data.batches.interleaved import TasksBatch, TasksRows
from mmrec.errors import ConfigError
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.multimodal.multi_fusion import MultiFusion, spec_with_tasks
from mmrec.models.search.search_fusion import spec_of_people
from mmrec.tasks.multi.multi_task import MEAN, TASKS, MultiTask
from mmrec.tasks.ranking import RankingTask
from mmrec.types import DatasetSpec
from tests.models.search.shop import search_spec

SEARCH = search_spec()


def people_of(spec: DatasetSpec) -> DatasetSpec:
    """The two people, of whom one has the lamps and the other the chairs."""
    people = spec_of_people(spec)
    return replace(people, train=people.train.take((people.train.item_idx % 2 == people.train.user_idx).nonzero().flatten()))


SPECS = {"ranking": people_of(SEARCH), "search": SEARCH}
SETTINGS = BatchSettings("users", 4, 8, True, 0)


def model_of(*names: str) -> MultiFusion:
    torch.manual_seed(0)
    return MultiFusion(spec_with_tasks({name: SPECS[name] for name in names}), embedding_dim=8, kg_encoder=None)


def task_of(*names: str, **arguments: object) -> MultiTask:
    return MultiTask(model_of(*names), list(names), **arguments)


def part(spec: DatasetSpec) -> SplitPart:
    return SplitPart(spec.train, spec.n_users, spec.n_items)


def batch_of(task: MultiTask) -> TasksBatch:
    parts = {name: next(one.train_batches(part(SPECS[name]), SETTINGS, Place()).batches(range(1))) for name, one in task.parts.items()}
    return TasksBatch(parts, torch.ones(()))


@pytest.mark.parametrize("weights", [None, {"search": 0.25}])
def test_the_loss_is_the_weighted_sum_of_those_of_the_tasks(weights: dict[str, float] | None) -> None:
    task = task_of("ranking", "search", weights=weights)
    batch, generator = batch_of(task), torch.Generator().manual_seed(0)
    torch.manual_seed(1)
    ranking, search = (task.parts[name].loss_of(batch.parts[name], generator).detach() for name in ("ranking", "search"))
    torch.manual_seed(1)
    loss = task.loss_of(batch, torch.Generator().manual_seed(0))
    assert float(ranking) > 0 and float(search) > 0
    assert torch.equal(loss, ranking + (1 if weights is None else 0.25) * search)
    means = task.means.taken()
    assert (means["loss_ranking"], means["loss_search"]) == (ranking, search)


def test_one_task_alone_trains_as_that_task_does() -> None:
    """To the bit: the same losses, and the same weights after some steps."""
    torch.manual_seed(0)
    alone = RankingTask(FusionRecommender(SPECS["ranking"], embedding_dim=8, kg_encoder=None))
    several = task_of("ranking")
    optimizers = [one.configure_optimizers() for one in (alone, several)]
    for step in range(4):
        losses = []
        for one, optimizer in zip((alone, several), optimizers, strict=True):
            torch.manual_seed(step)
            batch = batch_of(several)
            loss = one.loss_of(batch if one is several else batch.parts["ranking"], torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        assert torch.equal(*losses)
    found = several.model.state_dict()
    for name, value in alone.model.state_dict().items():
        assert torch.equal(value, found[f"evidence.{name}"]), name


@pytest.mark.parametrize("weights", ["uncertainty", "gradnorm"])
def test_weights_are_learned(weights: str) -> None:
    task = task_of("ranking", "search", weights=weights)
    optimizer, before = task.configure_optimizers(), task.loss_weights.values()
    for step in range(3):
        optimizer.zero_grad()
        task.loss_of(batch_of(task), torch.Generator().manual_seed(step)).backward()
        optimizer.step()
    assert not torch.equal(task.loss_weights.values(), before)
    assert [name for name in task.state_dict() if name.startswith("loss_weights.")]


def test_every_parameter_is_in_one_group_and_heads_have_the_rates_of_their_task() -> None:
    networks = {"networks": {"lr": 0.125}}
    task = task_of("ranking", "search", tasks=TASKS | {"search": partial(TASKS["search"], groups=networks)}, weights="uncertainty")
    grouped = [one for group in task.configure_optimizers().param_groups for one in group["params"]]
    assert sorted(map(id, grouped)) == sorted(map(id, task.parameters()))
    rate_of = {id(one): group["lr"] for group in task.configure_optimizers().param_groups for one in group["params"]}
    head = task.multi.head("search")
    assert rate_of[id(head.project.weight)] == 0.125
    assert rate_of[id(task.multi.evidence.content_bias.weight)] == 0.0005


def test_gradients_of_the_tasks_are_compared() -> None:
    task = task_of("ranking", "search")
    task.loss_of(batch_of(task), torch.Generator().manual_seed(0))
    (cosine,) = task.cosines.taken().values()
    assert -1 <= float(cosine) <= 1 and float(cosine) != 0
    assert all(one.grad is None for one in task.parameters())


def test_validation_measures_all_tasks_and_their_geometric_mean() -> None:
    task = task_of("ranking", "search")
    rows = TasksRows({name: one.evaluation_set((part(SPECS[name]),), part(SPECS[name])) for name, one in task.parts.items()})
    found = task.validate(rows)
    assert {"ranking/ndcg@20", "ranking/recall@10", "search/ndcg@10"} < set(found.means)
    selecting = found.means["ranking/ndcg@20"], found.means["search/ndcg@10"]
    assert found.means[MEAN] == pytest.approx((max(selecting[0], 1e-12) * selecting[1]) ** 0.5)
    assert float(task.multi.head("search").mixture[0]) == 0
    assert found.adopt is not None
    found.adopt()


def test_metrics_are_known_before_any_data() -> None:
    found = MultiTask.metrics({"of": ["search", "rating"], "tasks": TASKS, "weights": None})
    names = [metric.name for metric in found]
    assert names[:2] == [MEAN, "search/ndcg@10"]
    assert {metric.name for metric in found if not metric.higher_is_better} == {
        f"rating/{name}" for name in ("rmse", "mae", "log_loss", "calibration_error")
    }


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ([], r"task\.of: expected at least one of ranking, search"),
        (["ranking", "ranking"], r"task\.of: `ranking` is repeated"),
        (["ranking", "serach"], r"task\.of: there is no task `serach` that can be one of several; did you mean `search`"),
        (["multi"], r"task\.of: there is no task `multi`"),
    ],
)
def test_other_tasks_are_refused(of: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiTask.metrics({"of": of, "tasks": TASKS, "weights": None})
    with pytest.raises(ConfigError, match=message):
        MultiTask(model_of("ranking"), of)
