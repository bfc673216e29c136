"""How fast dialogues lead simulated users of the generated shop to what they want, and how they recover from a contradiction.

    python scripts/steering_bench.py runs/… --users 300 --choose 100

The run is one of `mmrec train data=demo_shop`. The true utilities of its users are known: each looks for the best item that they have not
had. In every turn they see ten items and say one sentence: they like the best one, dislike the worst one, or name a value of an attribute
that they want more or less of, or two such values; a sentence that is not understood does not count, and they say another. The table has
the median rank of the wanted item before the dialogue and after each turn. Rated items count as ranked above it. Nobody rates the wanted
item itself: once it is shown, the dialogue could end, and goes on about the others.

`--choose` users, none of whom is reported, choose the strengths first: for each kind of dialogue, the one with the lowest mean log rank
after three turns.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import mmrec._torchvision

import polars as pl
import torch
from jaxtyping import Float, Int64
from rich.console import Console
from rich.table import Table
from torch import Tensor

import mmrec
from mmrec.data.interactions.index import indices_of
from mmrec.data.sources.demo_shop.dataset import load_truth, load_truth_info
from mmrec.data.sources.demo_shop.world import GROUPS, VALUES
from mmrec.errors import MmrecError
from mmrec.steering.session import Session
from mmrec.steering.steer import Strengths
from mmrec.types import IMAGE, ITEM_ID, KG, TEXT, USER_ID

K, N_TURNS = 10, 3
GRID = (0.0, 0.25, 0.5, 1.0, 2.0)
COLUMNS = {"designer": "designed_by", "parent": "part_of", "property": "has_property"}
CHOSEN_BY = {"like": ("like",), "dislike": ("dislike",), "value": ("values",), "words": ("words",)}
"""By strength, the things that are said in the dialogues that choose it."""
REPORTED = {
    "likes": ("like",),
    "dislikes": ("dislike",),
    "one critique": ("any",),
    "two critiques": ("two",),
    "two critiques, like, two critiques": ("two", "like", "two"),
}


class Shop(NamedTuple):
    """The truth, in the order of the run."""

    utility: Float[Tensor, "n_users n_items"]
    parts: dict[str, Float[Tensor, "n_users n_items"]]
    attributes: dict[str, Int64[Tensor, " n_items"]]
    item_ids: list[str]


class Wish(NamedTuple):
    """How much a user likes a value of an attribute more than the mean."""

    group: str
    value: int
    worth: float


Say = Callable[[Session, "SimulatedUser"], Any]


class SimulatedUser:
    """Someone who knows what they like, and says so of what they are shown.

    Args:
        shop: the truth.
        user_idx: who it is.
        session: their dialogue.
    """

    def __init__(self, shop: Shop, user_idx: int, session: Session) -> None:
        self.shop, self.session, self.utility = shop, session, shop.utility[user_idx]
        unseen = session.scores() > -torch.inf
        self.target = int(self.utility.masked_fill(~unseen, -torch.inf).argmax())
        self.wishes = self._wishes(user_idx)
        self.said: set[tuple[str, int]] = set()
        self.ranks = [self._rank()]

    def turn(self, kind: str) -> None:
        """Look at the list and say one thing."""
        shown = [one for one in self._shown() if one != self.target]
        if kind == "like":
            self.session.like(self.shop.item_ids[max(shown, key=lambda one: float(self.utility[one]))])
        elif kind == "dislike":
            self.session.dislike(self.shop.item_ids[min(shown, key=lambda one: float(self.utility[one]))])
        else:
            self._criticise(kind, shown, 2 if kind == "two" else 1)
        self.ranks.append(self._rank())

    def contradict(self, kind: str) -> None:
        """Say the opposite of what they want, whatever is shown, then twice what they want."""
        best = next(one for one in self.wishes if _is_of(one.group, kind))
        for is_true in (False, True):
            self.session.critique(_sentence(best, is_true))
            self.ranks.append(self._rank())
        self.said.add((best.group, best.value))
        self._criticise(kind, self._shown())
        self.ranks.append(self._rank())

    def _criticise(self, kind: str, shown: Sequence[int], n_named: int = 1) -> None:
        """Ask for more of the values that they like most and the list lacks most, or less of those that disturb them most."""

        def gain(wish: Wish) -> float:
            share = sum(int(self.shop.attributes[wish.group][one]) == wish.value for one in shown) / max(1, len(shown))
            return wish.worth * (1 - share) if wish.worth > 0 else -wish.worth * share

        left = [one for one in self.wishes if _is_of(one.group, kind) and (one.group, one.value) not in self.said]
        named = sorted(left, key=gain, reverse=True)[:n_named]
        self.said |= {(one.group, one.value) for one in named}
        n_before = len(self.session.turns)
        self.session.critique(" and ".join(_sentence(one, one.worth > 0) for one in named))
        if len(self.session.turns) == n_before and left:
            self._criticise(kind, shown, n_named)

    def _shown(self) -> list[int]:
        place = {item_id: idx for idx, item_id in enumerate(self.shop.item_ids)}
        return [place[one] for one in self.session.recommend(K)[ITEM_ID]]

    def _rank(self) -> int:
        scores = self.session.scores()
        n_rated = len({turn.item_id for turn in self.session.turns if turn.item_id is not None})
        return 1 + n_rated + int((scores > scores[self.target]).sum())

    def _wishes(self, user_idx: int) -> list[Wish]:
        """The values of all attributes, those that the user likes most first."""
        found = []
        for part, groups in GROUPS.items():
            utility = self.shop.parts[part][user_idx]
            for group in groups:
                values = self.shop.attributes[group]
                found += [Wish(group, v, float(utility[values == v].mean() - utility.mean())) for v in range(len(VALUES[group]))]
        return sorted(found, key=lambda one: -one.worth)


def _is_of(group: str, kind: str) -> bool:
    """Whether an attribute is spoken of as a value of a column, or in words that texts and captions have."""
    return kind in ("any", "two") or (group in COLUMNS) == (kind == "values")


def _sentence(wish: Wish, is_more: bool) -> str:
    name = VALUES[wish.group][wish.value]
    about = f"{COLUMNS[wish.group]} {wish.group}-{name}" if wish.group in COLUMNS else name
    return f"{'more' if is_more else 'less'} {about}"


def dialogues(shop: Shop, open_session: Callable[[int], Session], users: Sequence[int], said: Sequence[str]) -> list[list[int]]:
    """Return the ranks of the wanted items of users, before a dialogue and after each turn."""
    found = []
    for user_idx in users:
        user = SimulatedUser(shop, user_idx, open_session(user_idx))
        for turn in range(N_TURNS):
            user.turn(said[turn % len(said)])
        found.append(user.ranks)
    return found


def contradictions(shop: Shop, open_session: Callable[[int], Session], users: Sequence[int], kind: str) -> list[list[int]]:
    """Return the ranks before, after the opposite of what a user wants, and after each of two true critiques."""
    found = []
    for user_idx in users:
        user = SimulatedUser(shop, user_idx, open_session(user_idx))
        user.contradict(kind)
        found.append(user.ranks)
    return found


def choose(shop: Shop, service: Any, user_ids: pl.Series, users: Sequence[int]) -> tuple[Strengths, Table]:
    """Choose each strength by the mean log rank after three turns of dialogues that depend on it alone."""
    strengths = Strengths()
    table = Table(
        "strength", "before", *map(str, GRID), "chosen", title=f"mean log2 rank after {N_TURNS} turns of {len(users)} other users"
    )
    for name, said in CHOSEN_BY.items():
        values = []
        for value in GRID:
            tried = replace(strengths, **{name: value})
            ranks = dialogues(shop, lambda user, tried=tried: service.session(user_ids[user], strengths=tried), users, said)
            values.append(sum(math.log2(one[-1]) for one in ranks) / len(ranks))
            before = sum(math.log2(one[0]) for one in ranks) / len(ranks)
        best = GRID[values.index(min(values))]
        strengths = replace(strengths, **{name: best})
        table.add_row(name, f"{before:.2f}", *(f"{value:.2f}" for value in values), str(best))
    return strengths, table


def read_shop(run: Any, dataset: Any) -> Shop:
    """Read the truth of a run's data."""
    truth, info = load_truth(dataset), load_truth_info(dataset)
    users = indices_of(run.users[USER_ID], info["user_ids"])
    items = indices_of(run.items[ITEM_ID], info["item_ids"])
    parts = {part: truth[f"utility_{part}"][users][:, items] for part in (TEXT, IMAGE, KG)}
    attributes = {group: truth[f"attribute_{group}"][items].long() for groups in GROUPS.values() for group in groups}
    return Shop(truth["utility"][users][:, items], parts, attributes, run.items[ITEM_ID].to_list())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run folder")
    parser.add_argument("--users", type=int, default=300, help="the number of users who are reported")
    parser.add_argument("--choose", type=int, default=0, help="the number of other users who choose the strengths; 0: the defaults")
    arguments = parser.parse_args()
    console = Console()
    try:
        run = mmrec.open_run(arguments.run)
        shop, service = read_shop(run, run.scorers.restored().evidence.dataset), run.service(index="exact")
        order = torch.randperm(len(run.users), generator=torch.Generator().manual_seed(0)).tolist()
        reported, others = order[: arguments.users], order[arguments.users : arguments.users + arguments.choose]
        user_ids, strengths = run.users[USER_ID], Strengths()
        if others:
            strengths, chosen = choose(shop, service, user_ids, others)
            console.print(chosen)
        found = f"sees it in {K}"
        table = Table(
            "dialogue", "before", *(f"after {n}" for n in range(1, N_TURNS + 1)), found, title=f"median rank of {len(reported)} users"
        )

        def open_session(user_idx: int) -> Session:
            session: Session = service.session(user_ids[user_idx], strengths=strengths)
            return session

        rows = {name: dialogues(shop, open_session, reported, said) for name, said in REPORTED.items()}
        rows |= {f"contradiction, {kind}": contradictions(shop, open_session, reported, kind) for kind in ("any", "words")}
        for name, ranks in rows.items():
            medians = torch.tensor(ranks, dtype=torch.float64).quantile(0.5, dim=0).tolist()
            shares = [sum(ranks_of[at] <= K for ranks_of in ranks) / len(ranks) for at in (0, -1)]
            table.add_row(name, *(f"{one:.1f}" for one in medians), f"{shares[0]:.0%} → {shares[1]:.0%}")
        console.print(strengths, table)
    except MmrecError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
