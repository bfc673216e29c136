"""Models: all are a `Recommender`, trained by gradient or fitted in closed form."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.models.closed_form.ease import EASE as EASE
    from mmrec.models.closed_form.ials import IALS as IALS
    from mmrec.models.multimodal.fusion import FusionRecommender as FusionRecommender
    from mmrec.models.popularity.popularity import Popularity as Popularity
    from mmrec.models.recommender import ClosedFormRecommender as ClosedFormRecommender
    from mmrec.models.recommender import FrozenScorer as FrozenScorer
    from mmrec.models.recommender import GradientRecommender as GradientRecommender
    from mmrec.models.recommender import LackingData as LackingData
    from mmrec.models.recommender import Recommender as Recommender
    from mmrec.models.recommender import TrainedScorer as TrainedScorer
    from mmrec.models.recommender import TrainScores as TrainScores

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".closed_form.ease": "EASE",
        ".closed_form.ials": "IALS",
        ".multimodal.fusion": "FusionRecommender",
        ".popularity.popularity": "Popularity",
        ".recommender": "ClosedFormRecommender FrozenScorer GradientRecommender LackingData Recommender TrainScores TrainedScorer",
    },
)
