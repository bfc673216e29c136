"""How much of the gap to a recommender that knows the truth a run on the generated shop has closed.

    python scripts/shop_oracle.py runs/…            # runs of `mmrec train data=demo_shop`, one line each

The oracle ranks by the true utilities at the end of the log. The share that is closed is that of the way from the best baseline, each of
which knows one kind of evidence alone, to the oracle, in mean ndcg@20 over the test users of the run's split. Beside it stands an oracle
that knows all tastes and all that texts, pictures and the graph say of an item, but nothing of what no content says: as much as anybody
can know of a new item.
"""

import argparse
from pathlib import Path

import mmrec._torchvision  # noqa: F401  before all that may reach torchvision

from rich.console import Console
from rich.table import Table
from torch import Tensor

from mmrec.config.check import check
from mmrec.config.saved import saved_config
from mmrec.config.settings import evidence_settings, training_settings
from mmrec.data.interactions.index import indices_of
from mmrec.data.sources.demo_shop.dataset import load_truth, load_truth_info
from mmrec.errors import DataError, MmrecError
from mmrec.experiment.evidence import load_evidence
from mmrec.experiment.models import make_data_module
from mmrec.experiment.run_folder.find import find_run
from mmrec.files.storage import read_json
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.models.recommender import FrozenScorer
from mmrec.schemas import TrainConfig, register_schemas
from mmrec.types import COLLABORATIVE

K = 20


def oracle_ndcg(run_dir: Path) -> tuple[float, float]:
    """ndcg@20 of the true utilities on the test part of a run: of all there is, and of the parts that are in some content."""
    saved = saved_config(run_dir)
    check(saved, TrainConfig)
    evidence = load_evidence(evidence_settings(saved))
    truth, info = load_truth(evidence.dataset), load_truth_info(evidence.dataset)
    users, items = (
        indices_of(ids, info[key]) for key, ids in (("user_ids", evidence.index.user_ids), ("item_ids", evidence.index.item_ids))
    )
    data = make_data_module(training_settings(saved, saved.seed), evidence, run_dir / "split")
    data.setup("test")

    def ndcg(utility: Tensor) -> float:
        utility = utility[users][:, items]
        scorer = FrozenScorer(utility, utility.new_ones(utility.shape[1]).diag(), utility.new_zeros(utility.shape[1], 0))
        return float(rank_and_evaluate(scorer, data.test_set(), [K])[f"ndcg@{K}"].mean())

    return ndcg(truth["utility"]), ndcg(truth["utility"] - truth[f"utility_{COLLABORATIVE}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders")
    register_schemas()
    table = Table("run", "model", "best baseline", "oracle", "closed", "oracle of content", title=f"ndcg@{K}")
    try:
        for name in parser.parse_args().runs:
            table.add_row(*_row(find_run(name)))
    except MmrecError as error:
        parser.error(str(error))
    Console().print(table)


def _row(run_dir: Path) -> tuple[str, ...]:
    found = {name: values[f"test/ndcg@{K}"] for name, values in read_json(run_dir / "metrics.json")["models"].items()}
    ours = found.pop(read_json(run_dir / "run.json")["model"])
    if not found:
        raise DataError(f"{run_dir}: no baselines were fitted beside the model")
    best, (oracle, content) = max(found, key=found.__getitem__), oracle_ndcg(run_dir)
    closed = (ours - found[best]) / (oracle - found[best])
    return str(run_dir), f"{ours:.4f}", f"{found[best]:.4f} ({best})", f"{oracle:.4f}", f"{closed:.0%}", f"{content:.4f}"


if __name__ == "__main__":
    main()
