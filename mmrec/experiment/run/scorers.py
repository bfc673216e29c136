"""What scores as the model of a finished run: from its vectors, from its fitted model, or made again from its data and checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.experiment.run_folder.files import read_vectors
from mmrec.experiment.run_folder.find import convert_file_errors
from mmrec.files.storage import read_json
from mmrec.models.recommender import FrozenScorer, TrainedScorer

if TYPE_CHECKING:
    from mmrec.experiment.settings import EvaluateSettings, TrainingSettings


@dataclass(frozen=True)
class SavedSettings:
    """How to make a run's model again, as whoever reads its configuration knows it; each is asked for only where it is needed."""

    training: "Callable[[Path], TrainingSettings]"
    """The training of the run's first seed, which opens nothing but the run folder."""
    evaluation: "Callable[[Path], EvaluateSettings]"
    """The settings with which the run is measured again, its data among them."""


class RunScorers:
    """The scorers of a run folder, each opened when it is first needed and then kept.

    Args:
        run_dir: a finished run.
        saved: makes its model again.
        n_users: how many users its tables name.
        n_items: how many items.
    """

    def __init__(self, run_dir: Path, saved: SavedSettings, n_users: int, n_items: int) -> None:
        self.run_dir, self.saved, self.n_users, self.n_items = run_dir, saved, n_users, n_items
        self._of_users: TrainedScorer | None = None
        self._of_histories: TrainedScorer | None = None

    def of_users(self) -> TrainedScorer:
        """Return what scores the users of the run, from its folder alone."""
        if self._of_users is None:
            with convert_file_errors(self.run_dir):
                self._of_users = self._open()
        return self._of_users

    def of_histories(self) -> TrainedScorer:
        """Return what scores users who are given as a history.

        A model in closed form needs the run folder alone. Any other one is made again from the data of the run and its checkpoint, which
        takes as long as preparing a training does.

        Raises:
            ConfigError: where the model scores users of its training alone.
            DataError: where the data of the run are no longer the same.
        """
        if self._of_histories is None:
            scorer = self.of_users()
            if not _takes_histories(scorer):
                from mmrec.experiment.evaluate import open_trained  # imports lightning

                scorer = open_trained(self.saved.evaluation(self.run_dir))
            if not _takes_histories(scorer):
                raise ConfigError(
                    f"histories: the model of {self.run_dir} scores users of its training alone; name some of those, or train another one"
                )
            self._of_histories = scorer
        return self._of_histories

    def _open(self) -> TrainedScorer:
        has_vectors = read_json(self.run_dir / "run.json").get("has_vectors", True)  # whatever is older has some
        if has_vectors:
            users, items = read_vectors(self.run_dir, self.n_users, self.n_items)
            return FrozenScorer(users, items, items.new_zeros(len(items), 0))
        from mmrec.experiment.run_folder.models import open_scorer  # imports lightning

        return open_scorer(self.run_dir, self.saved.training(self.run_dir))


def _takes_histories(scorer: TrainedScorer) -> bool:
    try:
        scorer.score_histories(Histories.from_lists([[0]]))
    except ConfigError:
        return False
    return True
