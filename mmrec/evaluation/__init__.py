"""Measuring models, comparing them, and pages about both."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.evaluation.compare.runs import compare_runs as compare_runs
    from mmrec.evaluation.compare.significance import paired_test as paired_test
    from mmrec.evaluation.measure.evaluate import Result as Result
    from mmrec.evaluation.measure.evaluate import confidence as confidence
    from mmrec.evaluation.measure.evaluate import evaluate_lists as evaluate_lists
    from mmrec.evaluation.measure.external_lists import read_predictions as read_predictions

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".compare.runs": "compare_runs",
        ".compare.significance": "paired_test",
        ".measure.evaluate": "Result confidence evaluate_lists",
        ".measure.external_lists": "read_predictions",
    },
)
