"""Multimodal recommendation: interactions, texts, pictures and a knowledge graph, fused into one recommender.

    run = mmrec.train("experiment=demo", "n_seeds=1")        # any words of the command line
    run.recommend(["42", "7"], k=10)

What others may use is listed here and in the packages below; everything else is private. Nothing heavy is imported before it is needed.
"""

import sys

from mmrec.lazy_names import lazy_names

if "--multiprocessing-fork" in sys.orig_argv:  # a spawned process, which unpickles next: objects of Lightning, which reach torchvision
    from mmrec import _torchvision  # noqa: F401

TYPE_CHECKING = False
if TYPE_CHECKING:
    from data_modules.tabular import TabularDataModule as TabularDataModule
    from mmrec.api.runs import evaluate as evaluate
    from mmrec.api.runs import open_run as open_run
    from mmrec.api.train import train as train
    from mmrec.data.folder.read import read_folder as read_folder
    from mmrec.data.sources.demo_shop.dataset import demo_shop as demo_shop
    from mmrec.data.sources.movielens_100k import movielens_100k as movielens_100k
    from mmrec.errors import ConfigError as ConfigError
    from mmrec.errors import DataError as DataError
    from mmrec.errors import MissingFile as MissingFile
    from mmrec.errors import MmrecError as MmrecError
    from mmrec.experiment.prepare import prepare as prepare
    from mmrec.experiment.run.run import Run as Run
    from mmrec.models.multimodal.fusion import FusionRecommender as FusionRecommender
    from mmrec.tasks.ranking import RankingTask as RankingTask
    from mmrec.types import Dataset as Dataset
    from mmrec.types import DatasetSpec as DatasetSpec

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "data_modules.tabular": "TabularDataModule",
        ".api.runs": "evaluate open_run",
        ".api.train": "train",
        ".data.folder.read": "read_folder",
        ".data.sources.demo_shop.dataset": "demo_shop",
        ".data.sources.movielens_100k": "movielens_100k",
        ".errors": "ConfigError DataError MissingFile MmrecError",
        ".experiment.prepare": "prepare",
        ".experiment.run.run": "Run",
        ".models.multimodal.fusion": "FusionRecommender",
        ".tasks.ranking": "RankingTask",
        ".types": "Dataset DatasetSpec",
    },
)
