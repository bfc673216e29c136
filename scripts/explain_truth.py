"""How well the Shapley values of runs on the generated shop agree with the parts of the true utilities.

    python scripts/explain_truth.py runs/… --users 100            # runs of `mmrec train data=demo_shop`, one line each

The true part of a kind of evidence is what only this evidence shows of the utility of an item for a user. Correlations are over random
items of some users, all kinds together (`pairs`), and means over users (`within users`); by kind; and, over users and kinds, between the
deviation of the values over a user's items and that of the true parts, which is how much a kind of evidence matters to a user (`weight of
kinds`; then without the mean of each kind, which is the same for all users). `total` is the correlation of the whole lead with the whole
utility: explanations cannot know more of the truth than the model.
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
from mmrec.types import ITEM_ID, USER_ID


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders")
    parser.add_argument("--users", type=int, default=100, help="the number of users")
    parser.add_argument("--items", type=int, default=50, help="the number of items for each, drawn at random")
    parser.add_argument("--least", type=int, default=0, help="the least number of training interactions of an item")
    arguments = parser.parse_args()
    table = Table("run", "pairs", "within users", "by kind", "weight of kinds, less the means", "total")
    try:
        for name in arguments.runs:
            table.add_row(*_row(find_run(name), arguments.users, arguments.items, arguments.least))
    except MmrecError as error:
        parser.error(str(error))
    Console(width=140).print(table)


def _row(run_dir: Path, n_users: int, n_items: int, least: int) -> tuple[str, ...]:
    run, generator = mmrec.open_run(run_dir), torch.Generator().manual_seed(0)
    restored = run.scorers.restored()
    explainer, dataset, spec = EvidenceExplainer(restored.model), restored.evidence.dataset, restored.spec
    truth, info = load_truth(dataset), load_truth_info(dataset)
    known = (torch.bincount(spec.train.item_idx, minlength=spec.n_items) >= least).nonzero().flatten()
    n_users, n_items = min(n_users, len(run.users)), min(n_items, len(known))
    users = torch.randperm(len(run.users), generator=generator)[:n_users].repeat_interleave(n_items)
    items = torch.cat([known[torch.randperm(len(known), generator=generator)[:n_items]] for _ in range(n_users)])
    shares = explainer.shares(users, items)
    places = [indices_of(names, info[key]) for key, names in (("user_ids", run.users[USER_ID]), ("item_ids", run.items[ITEM_ID]))]
    true = torch.stack([truth[f"utility_{name}"][places[0][users], places[1][items]] for name in explainer.modalities], dim=1)
    values, true_by_user = shares.values.view(n_users, -1), true.view(n_users, -1)
    within = [_correlation(one, other) for one, other in zip(values, true_by_user, strict=True)]
    weights = [one.view(n_users, n_items, -1).std(dim=1) for one in (shares.values, true)]
    by_kind = [f"{name} {_correlation(shares.values[:, m], true[:, m]):.2f}" for m, name in enumerate(explainer.modalities)]
    all_pairs = _correlation(shares.values.flatten(), true.flatten())
    total = _correlation(shares.total, truth["utility"][places[0][users], places[1][items]])
    of_all = _correlation(*(one.flatten() for one in weights))
    of_users = _correlation(*((one - one.mean(dim=0)).flatten() for one in weights))
    return (
        str(run_dir),
        f"{all_pairs:.2f}",
        f"{sum(within) / n_users:.2f}",
        ", ".join(by_kind),
        f"{of_all:.2f}, {of_users:.2f}",
        f"{total:.2f}",
    )


def _correlation(one: Float[Tensor, " n"], other: Float[Tensor, " n"]) -> float:
    return float(torch.corrcoef(torch.stack([one.double(), other.double()]))[0, 1])


if __name__ == "__main__":
    main()
