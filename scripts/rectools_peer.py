"""RecTools on the lists of `bench_evaluation.py`, which starts this in an interpreter that has rectools and pandas (and no mmrec).

    python rectools_peer.py LISTS.npz "[10, 20]"

Every line on stdin is a turn: frames are made of the arrays, metrics are computed, a line of JSON says how long each took and the means.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from rectools.metrics import MAP, MRR, NDCG, HitRate, Precision, Recall, calc_metrics


def make_frames(arrays: dict[str, np.ndarray]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Recommendations `user_id, item_id, rank`, and the true interactions `user_id, item_id`."""
    n_users, k = arrays["lists"].shape
    users, ranks = np.repeat(np.arange(n_users), k), np.tile(np.arange(1, k + 1), n_users)
    recommended = pd.DataFrame({"user_id": users, "item_id": arrays["lists"].ravel(), "rank": ranks})
    return recommended, pd.DataFrame({"user_id": arrays["true_users"], "item_id": arrays["true_items"]})


def make_metrics(ks: list[int]) -> dict:
    """By the names that mmrec gives them; ndcg with the ideal list that a user can reach, as mmrec's."""
    kinds = {"recall": Recall, "hit_rate": HitRate, "mrr": MRR, "map": MAP, "precision": Precision}
    metrics = {f"{name}@{k}": kind(k=k) for name, kind in kinds.items() for k in ks}
    return metrics | {f"ndcg@{k}": NDCG(k=k, divide_by_achievable=True) for k in ks}


def main() -> None:
    with np.load(sys.argv[1], allow_pickle=False) as file:
        arrays = dict(file)
    metrics = make_metrics(json.loads(sys.argv[2]))
    for _ in sys.stdin:
        start = time.perf_counter()
        recommended, true = make_frames(arrays)
        middle = time.perf_counter()
        means = calc_metrics(metrics, recommended, true)
        end = time.perf_counter()
        answer = {"convert_s": middle - start, "evaluate_s": end - middle, "means": {name: float(value) for name, value in means.items()}}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
