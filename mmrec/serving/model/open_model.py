"""Make the served model of a run folder."""

import hashlib
import logging

from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError, DamagedCheckpoint, MmrecError
from mmrec.experiment.run.run import Run
from mmrec.experiment.run_folder.files import PARTS, SEARCH, folder_with, read_index, read_table
from mmrec.models.recommender import FrozenScorer, TrainedScorer
from mmrec.serving.index.choice import AUTO, choose_index
from mmrec.serving.index.item_index import ItemIndex
from mmrec.serving.model.catalogue import Catalogue
from mmrec.serving.model.served import Known, ServedModel
from mmrec.types import IMAGE, ITEM_ID, USER_ID

_log = logging.getLogger(__name__)


def open_model(run: Run, index: str = AUTO, restore: bool = True) -> ServedModel:
    """Read a run and make its index.

    Args:
        run: a finished run.
        index: see `choose_index`.
        restore: whether to restore the model from its data too, which new users and items, filters and search need. If that is not
            possible, the log says why, and the model scores the users of the run.

    Raises:
        MmrecError: the run is damaged.
    """
    search = run.searcher if (folder_with(run.folder, SEARCH) / SEARCH).is_file() else None
    ranks = not (run.folder / SEARCH).is_file()  # in a run of several tasks, the file is in the folder of one of them
    scorer: TrainedScorer = run.scorers.of_users() if ranks or search is None else search.model
    restored, why = None, "the data of the run were not read"
    if restore:
        try:
            restored, why = run.scorers.restored(), ""
        except DamagedCheckpoint:
            raise
        except (MmrecError, OSError) as error:
            why = f"the data of the run cannot be used: {error}"
            _log.warning(f"serve: {why}; new users and items, filters and search are limited")
    vectors, items, has_image = scorer.vectors(), run.items, None
    if restored is not None:
        items = restored.evidence.index.align(restored.evidence.dataset.items)
        has_image = restored.evidence.features[IMAGE].present if IMAGE in restored.evidence.inputs else None

    def make_index(found: FrozenScorer) -> ItemIndex:
        return choose_index(index, found.users, found.items)

    return ServedModel(
        version=version_of(run),
        run=run.folder.resolve().name,
        name=run.model,
        known=_known(run, ranks),
        catalogue=Catalogue(items, has_image=has_image),
        scorer=scorer,
        of_histories=_of_histories(run, restored is not None) if ranks else None,
        index=None if vectors is None else make_index(vectors),
        make_index=make_index,
        restored=restored,
        why_not_restored=why,
        search=search,
        ranks=ranks,
    )


def version_of(run: Run) -> str:
    """Return the name of a run's folder and eight digits of the hash of what was run."""
    digest = hashlib.sha256((run.folder / "run.json").read_bytes()).hexdigest()
    return f"{run.folder.resolve().name}-{digest[:8]}"


def _of_histories(run: Run, is_restored: bool) -> TrainedScorer | None:
    """What scores histories; restored from the data only if they are there."""
    try:
        return run.scorers.of_histories() if is_restored else run.scorers.of_histories_if_open()
    except ConfigError:
        return None


def _known(run: Run, ranks: bool) -> Known:
    """The users of a run; none where queries take their place."""
    train = {"train": read_table(run.folder / "split" / "train.parquet", USER_ID, ITEM_ID)}
    index = read_index(run.folder, train)
    users = {user_id: idx for idx, user_id in enumerate(index.user_ids.to_list() if ranks else ())}
    return Known(users, Histories.from_events(index.interactions(train["train"]), index.n_users), run.interactions(*PARTS))
