"""Sentences that explain recommendations of a served model, see `mmrec.explain`."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, final

import polars as pl

from mmrec.errors import ConfigError
from mmrec.serving.model.served import ServedModel
from mmrec.serving.refusal import CANNOT_ANSWER, INVALID, Refused
from mmrec.types import ITEM_ID

if TYPE_CHECKING:
    from mmrec.experiment.run.explain import RunExplainer

MAX_EXPLAINED = 20


@final
class ItemExplainer:
    """Explains items to users of the run. The model's own explainer is made at the first call.

    Args:
        model: the model.
    """

    def __init__(self, model: ServedModel) -> None:
        self._model = model.origin  # which the checkpoint of the run fits

    def sentences(self, user_id: str, item_ids: Sequence[str], k: int, language: str) -> dict[str, tuple[str, ...]]:
        """Return sentences by item.

        Args:
            user_id: a user of the run.
            item_ids: items of the run that they have not had, at most `MAX_EXPLAINED`; of others, such as items that were put since, there
                is no entry.
            k: the length of the list that the items are in.
            language: of the sentences, `en` or `zh`.

        Raises:
            Refused: the model cannot explain, there are too many items, or no templates in the language.
        """
        user_idx = self._model.known.users[user_id]
        if len(item_ids) > MAX_EXPLAINED:
            raise Refused(INVALID, f"explain: expected at most {MAX_EXPLAINED} items, found {len(item_ids)}")
        seen, places = self._model.known.seen_by(user_idx), self._model.catalogue.places
        chosen = [places[one] for one in item_ids if one in places and places[one] not in seen]
        if not chosen:
            return {}
        try:
            found = self._explainer.explain(user_id, user_idx, chosen, k, language)
        except ConfigError as error:
            raise Refused(INVALID, str(error)) from error
        return {one.item_id: one.sentences for one in found}

    @cached_property
    def _explainer(self) -> "RunExplainer":
        if self._model.restored is None:
            raise Refused(CANNOT_ANSWER, f"explain: the model {self._model.version} cannot explain: {self._model.why_not_restored}")
        from mmrec.experiment.run.explain import RunExplainer  # imports lightning

        catalogue = self._model.catalogue
        items = pl.DataFrame({ITEM_ID: catalogue.item_ids, "title": catalogue.titles}, schema={ITEM_ID: pl.String, "title": pl.String})
        return RunExplainer(self._model.restored, items, self._model.known.seen)
