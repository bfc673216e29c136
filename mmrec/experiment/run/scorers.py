"""Open the scorer of a finished run from its vectors or fitted model, or restore its model from its data and checkpoints."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.experiment.run_folder.files import SEARCH, read_vectors
from mmrec.experiment.run_folder.find import convert_file_errors
from mmrec.experiment.run_folder.interest_decay import read_interest_decay
from mmrec.files.storage import read_json
from mmrec.models.recommender import FrozenScorer, TrainedScorer

if TYPE_CHECKING:
    from mmrec.experiment.evaluate import Restored
    from mmrec.experiment.settings import EvaluateSettings, TrainingSettings
    from mmrec.models.multimodal.fusion import FusionRecommender


@dataclass(frozen=True)
class SavedSettings:
    """Factories of the settings that restore a run's model, which are called only when needed."""

    training: "Callable[[Path], TrainingSettings]"
    """Return the training settings of the run's first seed; only the run folder is accessed."""
    evaluation: "Callable[[Path], EvaluateSettings]"
    """Return the settings that evaluate the run again, including its data."""
    update: "Callable[[Path, Any, Any, Mapping[str, Any]], Path]"
    """Update the run with new data, given where to and further settings, and return the folder of the updated run."""


class RunScorers:
    """The scorers of a run folder, each of which is opened on first use and then kept.

    Args:
        run_dir: a finished run.
        saved: the settings that restore its model.
        n_users: the number of users of the run.
        n_items: the number of items of the run.
    """

    def __init__(self, run_dir: Path, saved: SavedSettings, n_users: int, n_items: int) -> None:
        self.run_dir, self.saved, self.n_users, self.n_items = run_dir, saved, n_users, n_items
        self._of_users: TrainedScorer | None = None
        self._of_histories: TrainedScorer | None = None
        self._restored: Restored | None = None

    def of_users(self) -> TrainedScorer:
        """Return the scorer of the users of the run, from its folder alone."""
        if self._of_users is None:
            with convert_file_errors(self.run_dir):
                self._of_users = self._open()
        return self._of_users

    def of_histories(self) -> TrainedScorer:
        """Return the scorer of users given as histories.

        Models in closed form only need the run folder. Other models are restored from the data of the run and its checkpoint, which takes
        as long as the preparation of a training.

        Raises:
            ConfigError: the model can only score users of its training part.
            DataError: the data of the run have changed.
        """
        if self._of_histories is None:
            scorer = self.of_users()
            if not takes_histories(scorer):
                scorer = self.restored().model.freeze()
            if not takes_histories(scorer):
                raise ConfigError(
                    f"histories: the model of {self.run_dir} only scores users of its training part; choose these, or train another model"
                )
            self._of_histories = scorer
        return self._of_histories

    def of_histories_if_open(self) -> TrainedScorer | None:
        """Return the scorer of users given as histories if the run folder is enough for it, or it was restored before."""
        scorer = self._of_histories or self.of_users()
        return scorer if takes_histories(scorer) else None

    def restored(self) -> "Restored":
        """Return the model with all that it was made from, which is read from the data of the run at the first call.

        Raises:
            ConfigError: the run was not made here, and its data are not confirmed.
            DataError: the data of the run have changed.
        """
        if self._restored is None:
            from mmrec.experiment.evaluate import restore  # imports lightning

            self._restored = restore(self.saved.evaluation(self.run_dir))
        return self._restored

    def at(self, at_s: int) -> TrainedScorer:
        """Return the scorer of the users of the run at the time of a request, in seconds UTC.

        The model is restored from the data of the run and its checkpoint.

        Raises:
            ConfigError: the scores of the model do not depend on the time.
            DataError: the data of the run have changed.
        """
        read_interest_decay(self.run_dir)
        return cast("FusionRecommender", self.restored().model).freeze_at(at_s)

    def _open(self) -> TrainedScorer:
        has_vectors = read_json(self.run_dir / "run.json").get("has_vectors", True)  # always true in earlier versions
        if has_vectors:
            users, items = read_vectors(self.run_dir, self.n_users, self.n_items)
            return FrozenScorer(users, items, items.new_zeros(len(items), 0))
        if (self.run_dir / SEARCH).is_file():
            raise ConfigError(f"{self.run_dir}: its model answers search queries instead of recommending; use `search`")
        from mmrec.experiment.run_folder.models import open_scorer  # imports lightning

        return open_scorer(self.run_dir, self.saved.training(self.run_dir))


def takes_histories(scorer: TrainedScorer) -> bool:
    """Return whether a scorer scores users given by histories."""
    try:
        scorer.score_histories(Histories.from_lists([[0]]))
    except ConfigError:
        return False
    return True
