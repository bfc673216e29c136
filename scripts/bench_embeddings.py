"""What a training step of two embedding tables costs, every row in every step against the rows of the batch alone.

    python scripts/bench_embeddings.py --rows 10000 100000 1000000

Matrix factorisation under BPR with batches of 2048 pairs: dense gradients with Adam, and with row-wise Adagrad; sparse gradients with
SparseAdam, and with row-wise Adagrad. Steps of all four take turns; printed are medians of CPU milliseconds a step, and the ratio to dense
Adam. `--rows` are users as well as items.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.losses import bpr
from mmrec.models.collaborative.matrix_factorization import MatrixFactorizationRecommender
from mmrec.tasks.row_wise_adagrad import RowWiseAdagrad
from mmrec.types import DatasetSpec, Interactions

BATCH_SIZE, LEARNING_RATE = 2048, 0.01
ROW_WISE = partial(RowWiseAdagrad, lr=LEARNING_RATE, eps=1e-8, weight_decay=0.0)
WAYS: dict[str, tuple[bool, Callable[..., torch.optim.Optimizer]]] = {
    "dense, Adam": (False, partial(torch.optim.Adam, lr=LEARNING_RATE)),
    "dense, row-wise Adagrad": (False, ROW_WISE),
    "sparse, SparseAdam": (True, partial(torch.optim.SparseAdam, lr=LEARNING_RATE)),
    "sparse, row-wise Adagrad": (True, ROW_WISE),
}


def draw_batch(n_rows: int, generator: torch.Generator) -> TrainBatch:
    """Pairs and one negative each, all uniform."""
    user_idx, item_idx, negatives = torch.randint(n_rows, (3, BATCH_SIZE), generator=generator)
    valid = torch.ones(BATCH_SIZE, 1, dtype=torch.bool)
    return TrainBatch(user_idx, torch.arange(BATCH_SIZE), item_idx, negatives[:, None], valid, torch.zeros(BATCH_SIZE), torch.tensor(1.0))


def make_step(n_rows: int, dim: int, sparse: bool, optimizer: Callable[..., torch.optim.Optimizer]) -> Callable[[TrainBatch], None]:
    """One step of a fresh model, whose every call trains it on."""
    torch.manual_seed(0)
    spec = DatasetSpec(n_rows, n_rows, Interactions(torch.arange(n_rows), torch.arange(n_rows)))
    model = MatrixFactorizationRecommender(spec, dim, init_scale=0.1, regularization=0.01, sparse_gradients=sparse)
    made = optimizer(model.parameters())

    def step(batch: TrainBatch) -> None:
        made.zero_grad()
        scores = model.score_batch(batch, torch.Generator())
        (bpr(scores.positive, batch.row, scores.negative, batch.valid, temperature=1.0) + scores.extra).backward()
        made.step()

    return step


def measure(n_rows: int, dim: int, repeats: int) -> dict[str, float]:
    """The median CPU milliseconds of a step each way."""
    steps = {name: make_step(n_rows, dim, *way) for name, way in WAYS.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    generator = torch.Generator().manual_seed(0)
    for repeat in range(repeats + 1):
        batch = draw_batch(n_rows, generator)
        for name, step in steps.items():
            start = time.process_time()
            step(batch)
            if repeat:  # the first also makes the optimizer's state
                times[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for n_rows in arguments.rows:
        medians = measure(n_rows, arguments.dim, arguments.repeats)
        print(f"\n2 × {n_rows:,} rows of {arguments.dim}, batches of {BATCH_SIZE:,}, one core")
        for name, median in medians.items():
            print(f"  {name:26} {median:10.2f} ms  {medians['dense, Adam'] / median:8.1f}×")


if __name__ == "__main__":
    main()
