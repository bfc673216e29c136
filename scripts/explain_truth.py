"""How well explanations of a run on the generated shop agree with the truth, and how faithful they are to the model.

    python scripts/explain_truth.py runs/… --users 100            # runs of `mmrec train data=demo_shop`, one line each

`correlation`: between the Shapley value of each kind of evidence and the true part of the utility that only this evidence shows, over the
recommended items of some users. `deletion`: the mean lead of the item while evidence is removed, the most important first (lower is
better), by Shapley values, by attention and at random; `insertion`: while it is added (higher is better).
"""

import argparse
from pathlib import Path

import mmrec._torchvision

import torch
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

import mmrec
from mmrec.data.interactions.index import indices_of
from mmrec.data.sources.demo_shop.dataset import load_truth, load_truth_info
from mmrec.errors import MmrecError
from mmrec.experiment.run_folder.find import find_run
from mmrec.explain.evidence import EvidenceExplainer
from mmrec.explain.shapley import Coalition
from mmrec.types import ITEM_ID, USER_ID

ORDERS = ("shapley", "attention", "random")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders")
    parser.add_argument("--users", type=int, default=100, help="the number of users")
    parser.add_argument(
        "--items", type=int, default=50, help="the number of items for each, drawn at random; deletion takes the ten best of them"
    )
    arguments = parser.parse_args()
    table = Table("run", "correlation", "by modality", *(f"deletion, insertion by {order}" for order in ORDERS))
    try:
        for name in arguments.runs:
            table.add_row(*_row(find_run(name), arguments.users, arguments.items))
    except MmrecError as error:
        parser.error(str(error))
    Console().print(table)


def _row(run_dir: Path, n_users: int, n_items: int) -> tuple[str, ...]:
    run, generator = mmrec.open_run(run_dir), torch.Generator().manual_seed(0)
    restored = run.scorers.restored()
    explainer, dataset = EvidenceExplainer(restored.model), restored.evidence.dataset
    truth, info = load_truth(dataset), load_truth_info(dataset)
    users = torch.randperm(len(run.users), generator=generator)[:n_users].repeat_interleave(n_items)
    items = torch.randint(len(run.items), (len(users),), generator=generator)
    shares = explainer.shares(users, items)
    places = [indices_of(names, info[key]) for key, names in (("user_ids", run.users[USER_ID]), ("item_ids", run.items[ITEM_ID]))]
    true = torch.stack([truth[f"utility_{name}"][places[0][users], places[1][items]] for name in explainer.modalities], dim=1)
    by_modality = [f"{name} {_correlation(shares.values[:, m], true[:, m]):.2f}" for m, name in enumerate(explainer.modalities)]
    best = shares.total.view(n_users, n_items).topk(min(10, n_items), dim=1).indices + n_items * torch.arange(n_users)[:, None]
    best = best.flatten()
    keys = {"shapley": shares.values, "attention": shares.attention, "random": torch.rand(shares.values.shape, generator=generator)}
    areas = [
        ", ".join(f"{_area(explainer, users[best], items[best], key[best], is_removed):.3f}" for is_removed in (True, False))
        for key in keys.values()
    ]
    return str(run_dir), f"{_correlation(shares.values.flatten(), true.flatten()):.2f}", ", ".join(by_modality), *areas


def _correlation(one: Float[Tensor, " n"], other: Float[Tensor, " n"]) -> float:
    return float(torch.corrcoef(torch.stack([one.double(), other.double()]))[0, 1])


def _area(explainer: EvidenceExplainer, users: Tensor, items: Tensor, importance: Float[Tensor, "n modalities"], is_removed: bool) -> float:
    """The mean lead while the modalities are removed, or added, the most important first."""
    rows_by_kept: dict[Coalition, list[int]] = {}
    for row, order in enumerate(importance.argsort(dim=1, descending=True).tolist()):
        names = [explainer.modalities[m] for m in order]
        for n in range(len(names) + 1):
            rows_by_kept.setdefault(frozenset(names[n:] if is_removed else names[:n]), []).append(row)
    total = sum(float(explainer.value(kept, users[rows], items[rows]).sum()) for kept, rows in rows_by_kept.items())
    return total / sum(map(len, rows_by_kept.values()))


if __name__ == "__main__":
    main()
