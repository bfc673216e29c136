"""Writes rectools.json: what RecTools measures on random lists, which test_peers.py holds mmrec to.

RecTools needs NumPy 1 below Python 3.13, so it has an environment of its own: `pip install rectools==0.19.0`, then run this file.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from rectools import metrics

N_USERS, N_ITEMS, KS = 40, 12, (1, 3, 5, 20)
BY_USER = {
    "recall": metrics.Recall,
    "precision": metrics.Precision,
    "hit_rate": metrics.HitRate,
    "mrr": metrics.MRR,
    "map": metrics.MAP,
    "ndcg": metrics.NDCG,
    "ndcg_achievable": lambda k: metrics.NDCG(k, divide_by_achievable=True),
}


def pairs(items: list[list[int]]) -> pd.DataFrame:
    """A row for each item of each user."""
    return pd.DataFrame([(user, item) for user, row in enumerate(items) for item in row], columns=["user_id", "item_id"])


def main() -> None:
    """Draws, measures, writes."""
    rng = np.random.default_rng(0)
    lists = [rng.permutation(N_ITEMS).tolist() for _ in range(N_USERS)]
    positives = [sorted(rng.choice(N_ITEMS, size=rng.integers(1, 9), replace=False).tolist()) for _ in range(N_USERS)]
    history = [sorted(set(rng.integers(N_ITEMS // 2, size=5).tolist())) for _ in range(N_USERS)]  # half of the items are cold
    ranked, truth, before = pairs(lists), pairs(positives), pairs(history)
    ranked["rank"] = ranked.groupby("user_id").cumcount() + 1
    without = pd.DataFrame({"user_id": N_USERS, "item_id": range(N_ITEMS), "rank": range(1, N_ITEMS + 1)})  # no positives
    values = {}
    for k in KS:
        for name, metric in BY_USER.items():
            values[f"{name}@{k}"] = metric(k).calc_per_user(pd.concat([ranked, without]), truth).sort_index().tolist()
        values[f"novelty@{k}"] = metrics.MeanInvUserFreq(k).calc_per_user(ranked, before).sort_index().tolist()
        values[f"average_popularity@{k}"] = metrics.AvgRecPopularity(k).calc_per_user(ranked, before).sort_index().tolist()
        values[f"serendipity@{k}"] = metrics.Serendipity(k).calc_per_user(ranked, truth, before, list(range(N_ITEMS))).sort_index().tolist()
        values[f"catalogue_coverage@{k}"] = [metrics.CatalogCoverage(k, normalize=True).calc(ranked, list(range(N_ITEMS)))]
    values["auc"] = [
        metrics.PartialAUC(N_ITEMS - len(found)).calc_per_user(ranked[ranked.user_id == user], truth[truth.user_id == user]).item()
        for user, found in enumerate(positives)
    ]
    drawn = {"lists": lists, "positives": positives, "history": history}
    path = Path(__file__).with_name("rectools.json")
    path.write_text(json.dumps({"rectools": version("rectools"), **drawn, "values": values}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
