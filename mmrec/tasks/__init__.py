"""What a model learns and how it is measured: Lightning modules."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.tasks.click import ClickTask as ClickTask
    from mmrec.tasks.ranking import RankingTask as RankingTask
    from mmrec.tasks.rating import RatingTask as RatingTask
    from mmrec.tasks.search import SearchTask as SearchTask
    from mmrec.tasks.task import Task as Task
    from mmrec.tasks.task import Validated as Validated

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".ranking": "RankingTask",
        ".click": "ClickTask",
        ".rating": "RatingTask",
        ".search": "SearchTask",
        ".task": "Task Validated",
    },
)
