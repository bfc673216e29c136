"""What tests of models, tasks and sources in other packages are made from."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.testing.discovery import find_models as find_models
    from mmrec.testing.recommender_contract import RecommenderContract as RecommenderContract

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".discovery": "find_models",
        ".recommender_contract": "RecommenderContract",
    },
)
