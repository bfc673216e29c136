"""Metrics: pure functions over tensors."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.metrics.direction import Metric as Metric
    from mmrec.metrics.full_ranking import Evaluated as Evaluated
    from mmrec.metrics.full_ranking import Ranking as Ranking
    from mmrec.metrics.full_ranking import evaluate_ranking as evaluate_ranking
    from mmrec.metrics.full_ranking import rank_users as rank_users
    from mmrec.metrics.full_ranking import top_k as top_k
    from mmrec.metrics.ranking import known_metrics as known_metrics

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".direction": "Metric",
        ".full_ranking": "Evaluated Ranking evaluate_ranking rank_users top_k",
        ".ranking": "known_metrics",
    },
)
