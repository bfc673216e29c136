"""Accuracy against diversity for a loss of accuracy that validation allows: our methods beside those of pyversity.

    pip install pyversity
    python scripts/rerank_frontier.py runs/… --similarity text --column genre          # one line a method

For each method, the largest trade-off is chosen whose lists lose at most `--max-loss` of ndcg on the validation part. Printed of these
lists on the test part: ndcg, the distance within lists and the divergence from the history, and their changes relative to the lists of the
model. pyversity chooses among the same candidates by the same vectors and relevance, with the same grid of trade-offs.
"""

import argparse
from pathlib import Path

import mmrec._torchvision

import numpy as np
import polars as pl
import torch
from jaxtyping import Int64
from rich.console import Console
from rich.table import Table
from torch import Tensor

import mmrec
from mmrec.errors import MmrecError
from mmrec.experiment.run.frontier import FrontierSettings, Trial, measure_frontier
from mmrec.experiment.run_folder.find import find_run
from mmrec.rerank import DPP, MMR, Calibrated, Reranker, XQuAD
from mmrec.rerank.reranker import ItemContent, Pool

PEERS = ("mmr", "dpp", "msd", "ssd")


class Pyversity(Reranker):
    """A method of pyversity."""

    def __init__(self, strategy: str, trade_off: float, candidates: int, similarity: str) -> None:
        super().__init__(candidates)
        self.strategy, self.trade_off, self.similarity = strategy, trade_off, similarity

    def order(self, pool: Pool, content: ItemContent, k: int) -> Int64[Tensor, "n_users k"]:
        from pyversity import diversify

        vectors, rows = content.vectors(self.similarity).float().numpy(), []
        for items, relevance, available in zip(pool.item_idx.numpy(), pool.relevance.numpy(), pool.available.numpy(), strict=True):
            n = int(available.sum())
            found = diversify(vectors[items[:n]], relevance[:n].astype(np.float32), k, self.strategy, self.trade_off).indices
            rows.append([*found.tolist(), *([-1] * (k - len(found)))])
        return torch.tensor(rows, dtype=torch.int64)


def trials_of(arguments: argparse.Namespace, has_peer: bool) -> list[Trial]:
    found = list[Trial]()
    for trade_off in arguments.trade_offs:
        n = arguments.candidates
        ours: dict[str, Reranker] = {
            "mmr": MMR(trade_off, candidates=n, similarity=arguments.similarity),
            "dpp": DPP(trade_off, candidates=n, similarity=arguments.similarity),
            "calibrated": Calibrated(arguments.column, trade_off, candidates=n),
            "xquad": XQuAD(arguments.column, trade_off, candidates=n),
        }
        peers = {f"pyversity {name}": Pyversity(name, trade_off, n, arguments.similarity) for name in PEERS if has_peer}
        found += [Trial(name, trade_off, one) for name, one in (ours | peers).items()]
    return found


def show(table: pl.DataFrame, k: int, similarity: str, column: str) -> None:
    columns = [f"test/{name}@{k}" for name in ("ndcg", f"distance_{similarity}", f"miscalibration_{column}")]
    shown = Table("method", "trade-off", *(f"{name}, change" for name in columns))
    base = table.filter(trade_off=0.0).row(0, named=True)
    for row in table.filter("is_chosen").iter_rows(named=True):
        shown.add_row(row["method"], f"{row['trade_off']:g}", *(f"{row[one]:.4f}, {row[one] / base[one] - 1:+.1%}" for one in columns))
    Console(width=160).print(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="the run folder")
    parser.add_argument("--similarity", default="text", help="the vectors that distance is measured by")
    parser.add_argument("--column", default="genre", help="the column of the items that calibration is measured by")
    parser.add_argument("--k", type=int, default=20, help="the length of the lists")
    parser.add_argument("--candidates", type=int, default=100, help="the number of items to choose from")
    parser.add_argument("--max-loss", type=float, default=0.02, help="the share of ndcg that may be lost on the validation part")
    parser.add_argument("--trade-offs", type=float, nargs="+", default=[0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    parser.add_argument("--no-peer", action="store_true", help="leave pyversity out")
    arguments = parser.parse_args()
    try:
        run = mmrec.open_run(Path(find_run(arguments.run)))
        frontier = measure_frontier(run, FrontierSettings(trials_of(arguments, not arguments.no_peer), arguments.k, arguments.max_loss))
    except MmrecError as error:
        parser.error(str(error))
    show(frontier.table, arguments.k, arguments.similarity, arguments.column)


if __name__ == "__main__":
    main()
