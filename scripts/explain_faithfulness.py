"""How faithful explanations are to the model of a run: deletion and insertion curves, and the effect of removing paths.

    python scripts/explain_faithfulness.py runs/… --users 100     # a run of model=fusion, with graph for paths

For the best items of some users, evidence or items of the history are taken away (deletion, lower is better) or added (insertion,
higher is better), the most important first; the area is the mean lead of the item over the curve. The orders are those of our
explanations, of integrated gradients, of attention (of evidence only; items of a history have none), of popularity (of evidence: the
share of items that have it; of items: their interactions), one order for all by the mean of our values, and a random one; for items also
those of what an item adds to random halves of the others (`halves`), and of what the lead loses without it and gains with it alone
(`removed and added`). p-values are those of paired sign-flip
tests over users against ours.

The path with the largest effect is compared with a random path of equal length between the same ends, or, if there is none, to the same
item from another item of the history.
"""

import argparse
import random
from collections.abc import Callable

import mmrec._torchvision

import networkx as nx
import torch
from jaxtyping import Float, Int64
from rich.console import Console
from rich.table import Table
from torch import Tensor

import mmrec
from mmrec.data.interactions.histories import Histories
from mmrec.errors import MmrecError
from mmrec.evaluation.compare.significance import permutation_p_value
from mmrec.experiment.run.explain import RunExplainer
from mmrec.experiment.run_folder.find import find_run
from mmrec.explain.curves import evidence_areas, history_area
from mmrec.explain.evidence import EvidenceExplainer, lead_of
from mmrec.explain.gradients import integrated_gradients
from mmrec.explain.paths import GraphPath
from mmrec.explain.scaled_inputs import ScaledInputs

SEED = 0


class Pairs:
    """The best items of some users who have a history."""

    def __init__(self, explainer: RunExplainer, n_users: int, k: int) -> None:
        self.model, spec = explainer.restored.model, explainer.restored.spec
        self.popularity = torch.bincount(spec.train.item_idx, minlength=spec.n_items).float()
        self.generator, histories = torch.Generator().manual_seed(SEED), Histories.from_events(spec.train, spec.n_users)
        having = (histories.n_events > 1).nonzero().flatten()
        self.users = having[torch.randperm(len(having), generator=self.generator)[:n_users]]
        self.histories, self.k = histories.of(self.users), k
        scores = explainer.scorer.score_users(self.users)
        row, seen = explainer.seen.rows(self.users)
        scores[row, seen] = -torch.inf
        self.items = scores.topk(k, dim=1).indices
        self.row = torch.arange(len(self.users)).repeat_interleave(k)

    def history(self, row: int) -> Int64[Tensor, " n"]:
        return self.histories.of(torch.tensor([row])).item_idx.unique()

    def by_user(self, values: Float[Tensor, " n"]) -> Float[Tensor, " n_users"]:
        return values.view(-1, self.k).mean(dim=1)


Areas = dict[str, tuple[Float[Tensor, " n_users"], Float[Tensor, " n_users"]]]
"""By order, the areas under deletion and insertion of each user."""


def of_evidence(pairs: Pairs) -> Areas:
    explainer, scaled = EvidenceExplainer(pairs.model), ScaledInputs(pairs.model)
    users, items = pairs.users[pairs.row], pairs.items.flatten()
    shares = explainer.shares(users, items)
    gradients = integrated_gradients(lambda at: scaled.lead_by_modality(at, pairs.histories, pairs.row, items), len(explainer.modalities))
    orders = {
        "ours": shares.values,
        "integrated gradients": gradients,
        "attention": shares.attention,
        "popularity": scaled.model.present.float().mean(dim=0).expand_as(shares.values),
        "one for all": shares.values.mean(dim=0).expand_as(shares.values),
        "random": torch.rand(shares.values.shape, generator=pairs.generator),
    }
    return {
        name: (
            pairs.by_user(evidence_areas(explainer, users, items, key, True)),
            pairs.by_user(evidence_areas(explainer, users, items, key, False)),
        )
        for name, key in orders.items()
    }


def of_histories(pairs: Pairs, explainer: RunExplainer) -> Areas:
    scaled, scorer = ScaledInputs(pairs.model), explainer.scorer
    orders: dict[str, Callable[[Int64[Tensor, " n"], Int64[Tensor, " k"]], Float[Tensor, "k n"]]] = {
        "ours": lambda history, items: _falls(scorer.score_histories, history, items),
        "integrated gradients": lambda history, items: integrated_gradients(
            lambda at: scaled.lead_by_item(at, history, items), len(history), 8
        ),
        "halves": lambda history, items: _marginals(scorer.score_histories, history, items, pairs.generator),
        "removed and added": lambda history, items: (
            _falls(scorer.score_histories, history, items) + _rises(scorer.score_histories, history, items)
        ),
        "popularity": lambda history, items: pairs.popularity[history].expand(len(items), -1),
        "random": lambda history, items: torch.rand(len(items), len(history), generator=pairs.generator),
    }
    found: dict[str, list[list[list[float]]]] = {name: [[], []] for name in orders}
    for row in range(len(pairs.users)):
        history, items = pairs.history(row), pairs.items[row]
        for name, key in orders.items():
            ranked = history[key(history, items).argsort(dim=1, descending=True, stable=True)].tolist()
            for place, is_removed in enumerate((True, False)):
                areas = [
                    history_area(_lead(scorer.score_histories, item), order, is_removed) for item, order in zip(items, ranked, strict=True)
                ]
                found[name][place].append(areas)
    return {name: (torch.tensor(one[0]).mean(dim=1), torch.tensor(one[1]).mean(dim=1)) for name, one in found.items()}


Score = Callable[[Histories], Float[Tensor, "n n_items"]]


def _lead(score: Score, item: Int64[Tensor, ""]) -> Callable[[list[list[int]]], Float[Tensor, " n"]]:
    return lambda histories: lead_of(score(Histories.from_lists(histories)), torch.arange(len(histories)), item.expand(len(histories)))


def _falls(score: Score, history: Int64[Tensor, " n"], items: Int64[Tensor, " k"]) -> Float[Tensor, "k n"]:
    """The effects of our explanations: what the lead loses without each item of the history."""
    listed = history.tolist()
    scores = score(Histories.from_lists([listed, *([one for one in listed if one != gone] for gone in listed)]))
    leads = torch.stack([lead_of(scores, torch.arange(len(scores)), item.expand(len(scores))) for item in items])
    return leads[:, :1] - leads[:, 1:]


def _rises(score: Score, history: Int64[Tensor, " n"], items: Int64[Tensor, " k"]) -> Float[Tensor, "k n"]:
    """What the lead gains if each item of the history is all there is."""
    scores = score(Histories.from_lists([[], *([one] for one in history.tolist())]))
    leads = torch.stack([lead_of(scores, torch.arange(len(scores)), item.expand(len(scores))) for item in items])
    return leads[:, 1:] - leads[:, :1]


def _marginals(
    score: Score, history: Int64[Tensor, " n"], items: Int64[Tensor, " k"], generator: torch.Generator, n_halves: int = 4
) -> Float[Tensor, "k n"]:
    """What each item of the history adds to the lead with a random half of the others, a mean over some halves."""
    total = torch.zeros(len(items), len(history))
    for _ in range(n_halves):
        kept = (torch.rand(len(history), generator=generator) < 0.5).tolist()
        pairs = [
            [one for one, is_kept in zip(history.tolist(), kept, strict=True) if one != own and is_kept] + [own] * is_with
            for own in history.tolist()
            for is_with in (1, 0)
        ]
        scores = score(Histories.from_lists(pairs))
        leads = torch.stack([lead_of(scores, torch.arange(len(scores)), item.expand(len(scores))) for item in items])
        total += leads[:, ::2] - leads[:, 1::2]
    return total / n_halves


def of_paths(pairs: Pairs, explainer: RunExplainer, n_pairs: int) -> tuple[list[float], list[float], int, int]:
    """The effects of our paths and of random ones, and how many of the edges of ours are in the training graph."""
    draw, ours, others, n_edges, n_known = random.Random(SEED), list[float](), list[float](), 0, 0
    graph = explainer.restored.spec.graph
    assert graph is not None
    known = set(zip(graph.edge_index[0].tolist(), graph.edge_type.tolist(), graph.edge_index[1].tolist(), strict=True))
    for row, item in [(row, item) for place in pairs.items.T.tolist() for row, item in enumerate(place)]:
        if len(ours) == n_pairs:
            break
        user, history = int(pairs.users[row]), pairs.history(row).tolist()
        paths = explainer.finder.paths(history, item)
        found = [(path, other) for path in paths if (other := _matched(explainer, path, paths, history, draw)) is not None]
        if not found:
            continue
        ours.append(max(explainer.path_effect(path, user, item) for path, _ in found))
        others.append(max(explainer.path_effect(other, user, item) for _, other in found))
        edges = [(edge.head, edge.relation, edge.tail) for path in paths for edge in path.edges]
        n_edges, n_known = n_edges + len(edges), n_known + sum(edge in known for edge in edges)
    return ours, others, n_known, n_edges


def _matched(
    explainer: RunExplainer, first: GraphPath, paths: tuple[GraphPath, ...], history: list[int], draw: random.Random
) -> GraphPath | None:
    """A random path as long as the first one and between its ends, or to the same item, which is none of the given ones."""
    taken = {path.entities for path in paths}
    starts = [first.item_idx, *draw.sample(sorted(history), len(history))]
    graph = explainer.restored.spec.graph
    assert graph is not None
    for start in starts:
        source, length = int(graph.item_entity[start]), len(first.edges)
        if source < 0 or source == first.entities[-1] or source not in explainer.finder.network:
            continue
        between = nx.all_simple_paths(explainer.finder.network, source, first.entities[-1], cutoff=length)
        free = [tuple(nodes) for nodes in between if len(nodes) == length + 1 and tuple(nodes) not in taken]
        if free:
            return explainer.finder.path(start, draw.choice(free))
    return None


def _table(title: str, areas: Areas) -> Table:
    table = Table("order", "deletion", "p", "insertion", "p", title=title)
    for name, both in areas.items():
        cells = []
        for place, area in enumerate(both):
            p_value = permutation_p_value((areas["ours"][place] - area).double().numpy(), SEED)
            cells += [f"{float(area.mean()):.3f}", "" if name == "ours" else f"{p_value:.4f}"]
        table.add_row(name, *cells)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--users", type=int, default=100, help="the number of users")
    parser.add_argument("--k", type=int, default=10, help="the number of items of each user, the best ones")
    parser.add_argument("--paths", type=int, default=100, help="the number of pairs of user and item whose paths are removed")
    parser.add_argument("--skip", nargs="*", default=[], choices=["evidence", "history", "paths"], help="what is not measured")
    arguments = parser.parse_args()
    try:
        run = mmrec.open_run(find_run(arguments.run))
        explainer = RunExplainer(run.scorers.restored(), run.items, run.interactions("train", "valid", "test"))
        pairs = Pairs(explainer, arguments.users, arguments.k)
        what = f"{len(pairs.users)} users, {arguments.k} items each"
        if "evidence" not in arguments.skip:
            Console().print(_table(f"kinds of evidence: {what}", of_evidence(pairs)))
        if "history" not in arguments.skip:
            Console().print(_table(f"items of the history: {what}", of_histories(pairs, explainer)))
    except MmrecError as error:
        parser.error(str(error))
    if "paths" not in arguments.skip and explainer.restored.spec.graph is not None:
        ours, others, n_known, n_edges = of_paths(pairs, explainer, arguments.paths)
        ahead = torch.tensor(ours) - torch.tensor(others)
        means = [sum(one) / max(len(one), 1) for one in (ours, others)]
        p_value = permutation_p_value(ahead.double().numpy(), SEED)
        print(f"paths of {len(ours)} pairs: effect {means[0]:.5f}, of random ones {means[1]:.5f}, p = {p_value:.4f}")
        print(f"{n_known} of {n_edges} edges are in the training graph")


if __name__ == "__main__":
    main()
