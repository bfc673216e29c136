"""RecBole's LightGCN on the split of `bench_training.py`, which starts this in an interpreter that has recbole 1.2.1 (and no mmrec).

    python recbole_peer.py FOLDER THREADS

FOLDER/ml/ml.{train,valid,test}.inter is the split in RecBole's format. A line on stdin says what to do: `train` an epoch, without
evaluation; `evaluate` the test part by full ranking, in batches as large as RecBole makes them; `evaluate_at_once`, in a single batch. A
line of JSON on stdout says how many seconds it took, of the CPU and on the clock. All else that RecBole says goes to stderr.
"""

import os
import sys
from types import ModuleType

sys.modules["ray"] = ray = ModuleType("ray")  # recbole imports it for a search of hyper-parameters, which nobody asks for here
sys.modules["ray.tune"] = ray.tune = ModuleType("ray.tune")

import torch  # noqa: E402
from peer_turns import keep_stdout_for_answers, take_turns  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.model.general_recommender import LightGCN  # noqa: E402
from recbole.trainer import Trainer  # noqa: E402

SETTINGS = {
    "benchmark_filename": ["train", "valid", "test"],
    "load_col": {"inter": ["user_id", "item_id"]},
    "embedding_size": 64,
    "n_layers": 3,
    "reg_weight": 1e-4,
    "learning_rate": 1e-3,
    "train_batch_size": 2048,
    "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1, "dynamic": False, "candidate_num": 0},
    "eval_args": {"group_by": "user", "order": "RO", "mode": "full", "split": {"RS": [8, 1, 1]}},
    "metrics": ["Recall", "MRR", "NDCG", "Hit", "MAP", "Precision"],
    "topk": [10, 20],
    "use_gpu": False,
    "state": "ERROR",
    "seed": 2026,
}
ALL_AT_ONCE = 10**7  # scores, of which a batch may have so many


def prepare(folder: str, **settings: object) -> tuple[Config, tuple]:
    config = Config(model="LightGCN", dataset="ml", config_dict=SETTINGS | {"data_path": folder, "checkpoint_dir": folder} | settings)
    dataset = create_dataset(config)
    return config, (dataset, *data_preparation(config, dataset))


def main() -> None:
    folder, threads = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    answers = keep_stdout_for_answers()
    os.chdir(folder)  # recbole leaves logs where it is started
    torch.set_num_threads(threads)
    config, (_, train, _, test) = prepare(folder)
    _, (_, _, _, test_at_once) = prepare(folder, eval_batch_size=ALL_AT_ONCE)
    trainer = Trainer(config, LightGCN(config, train.dataset))
    work = {
        "train": lambda: trainer._train_epoch(train, 0),
        "evaluate": lambda: trainer.evaluate(test, load_best_model=False),
        "evaluate_at_once": lambda: trainer.evaluate(test_at_once, load_best_model=False),
    }
    take_turns(work, answers)


if __name__ == "__main__":
    main()
