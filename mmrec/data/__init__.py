"""Datasets, their reading, interactions and batches."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.data.batches.batch_factory import BatchSettings as BatchSettings
    from mmrec.data.batches.batch_factory import EvaluationRows as EvaluationRows
    from mmrec.data.batches.batch_factory import Place as Place
    from mmrec.data.batches.batch_factory import SplitPart as SplitPart
    from mmrec.data.batches.evaluation_set import EvaluationSet as EvaluationSet
    from mmrec.data.batches.train_batches import TrainBatch as TrainBatch
    from mmrec.data.features.user_template import UserTemplate as UserTemplate
    from mmrec.data.folder.read import read_folder as read_folder
    from mmrec.data.folder.write import write_dataset as write_dataset
    from mmrec.data.interactions.histories import Histories as Histories
    from mmrec.data.interactions.index import Index as Index
    from mmrec.data.interactions.matrix import InteractionMatrix as InteractionMatrix
    from mmrec.data.interactions.split import Split as Split
    from mmrec.data.interactions.split import cold_item as cold_item
    from mmrec.data.interactions.split import cold_user as cold_user
    from mmrec.data.interactions.split import given as given
    from mmrec.data.interactions.split import global_time as global_time
    from mmrec.data.interactions.split import leave_last_out as leave_last_out
    from mmrec.data.interactions.split import random_ratio as random_ratio
    from mmrec.data.interactions.split import user_time as user_time
    from mmrec.data.sources.demo_shop.dataset import demo_shop as demo_shop
    from mmrec.data.sources.movielens_100k import movielens_100k as movielens_100k

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".batches.batch_factory": "BatchSettings EvaluationRows Place SplitPart",
        ".batches.evaluation_set": "EvaluationSet",
        ".batches.train_batches": "TrainBatch",
        ".features.user_template": "UserTemplate",
        ".folder.read": "read_folder",
        ".folder.write": "write_dataset",
        ".interactions.histories": "Histories",
        ".interactions.index": "Index",
        ".interactions.matrix": "InteractionMatrix",
        ".interactions.split": "Split cold_item cold_user given global_time leave_last_out random_ratio user_time",
        ".sources.demo_shop.dataset": "demo_shop",
        ".sources.movielens_100k": "movielens_100k",
    },
)
