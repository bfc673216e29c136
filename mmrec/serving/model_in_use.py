"""The model that is served, changed by items that are put and removed, and by other runs; processes with one store follow each other."""

import logging
import threading
from collections.abc import Callable
from typing import final

from mmrec.experiment.run.item_source import ItemContent
from mmrec.serving.answer import ItemChange
from mmrec.serving.events.event_store import EventStore
from mmrec.serving.events.served_run import RunVersion
from mmrec.serving.model.changed_items import check_item, stored_fields, with_items, with_stored, with_stored_picture
from mmrec.serving.model.served import ServedModel
from mmrec.serving.refusal import DAMAGED_RUN, UNKNOWN_ITEM, Refused
from mmrec.serving.run_choice import RunChoice

_log = logging.getLogger(__name__)


@final
class ModelInUse:
    """The immutable model that answers are made by, and the one before. All methods may be called from several threads.

    Args:
        model: the model to begin with.
        store: of items, and of the choice of a run.
        choice: which run is served.
    """

    def __init__(self, model: ServedModel, store: EventStore, choice: RunChoice) -> None:
        self._store, self._choice = store, choice
        self._changing, self._opening = threading.Lock(), threading.Lock()
        self.current = model
        """Whoever answers takes it once."""
        self._before: ServedModel | None = None
        self._lost: RunVersion | None = None
        """What cannot be opened again, so that it is not tried at every request."""
        self._items_version = 0  # of a store without items
        self.refresh()

    @property
    def before(self) -> RunVersion | None:
        """What was served before, by whichever process."""
        return self._choice.before

    def of_version(self, version: str) -> ServedModel | None:
        """Return the model of a version, if it is the one that all processes serve now or the one before; otherwise None.

        The one before is opened again where it is not in memory, as after a restart. If it cannot be, it is not returned.
        """
        if not self._is_served(version):
            self.refresh()  # another process may have changed to it a moment ago
        if not self._is_served(version):
            return None
        if (found := self._of_version(version)) is None:
            with self._opening:
                found = self._of_version(version) or self._reopened(version)
        return found

    def put_item(self, item: ItemContent) -> ItemChange:
        """Add an item, or change what is known of one. It is listed when this returns, and after a restart.

        Args:
            item: values of its columns, its picture, and what it is related to. They take the place of all that was put before.

        Raises:
            Refused: the content is invalid, or the model cannot place new items, or not this one; nothing has changed.
            StoreFull: the store has no room for its picture; nothing has changed.
        """
        with self._changing:
            self._take_stored()
            model = self.current
            placed_by = check_item(model, item)
            removed = model.catalogue.removed - {item.item_id}
            changed = with_items(model, {**model.added, item.item_id: with_stored_picture(item, self._store)}, removed)
            picture = None if item.shown is None else item.shown.read()
            self._written(lambda: self._store.put_item(item.item_id, stored_fields(item), picture))
            self.current = changed
        return ItemChange(model.version, item.item_id, not model.catalogue.has(item.item_id), placed_by)

    def delete_item(self, item_id: str) -> ItemChange:
        """Remove an item from all lists. Raises Refused if there is none."""
        with self._changing:
            self._take_stored()
            model = self.current
            check_listed(model, item_id)
            added = {name: one for name, one in model.added.items() if name != item_id}
            changed = with_items(model, added, model.catalogue.removed | {item_id})
            self._written(lambda: self._store.delete_item(item_id))
            self.current = changed
        return ItemChange(model.version, item_id, False)

    def refresh(self) -> bool:
        """Take over the run that another process was asked for, and the items that others have put or removed.

        Returns:
            Whether there was anything. A run that cannot be opened is logged and tried again later; the one in use stays.
        """
        followed = self._follow()
        if self._store.items_version() == self._items_version:
            return followed
        with self._changing:
            return self._take_stored() or followed

    def swap(self, run: str) -> None:
        """Serve another run from now on. Every answer is made by the model before or by the new one.

        Raises:
            Refused: there is no such run, or it is damaged; the model before stays in use.
        """
        model = self._choice.open(run, self.current.version)
        with self._changing:
            current = self.current
            if current.restored is not None and model.restored is None:
                raise Refused(DAMAGED_RUN, f"run: {run} cannot be served, {current.version} stays in use: {model.why_not_restored}")
            self._take(model, lambda: self._choice.make(current, model))

    def rollback(self) -> None:
        """Serve the model before the last `swap` again. Raises Refused if there is none, or its run cannot be opened any more."""
        wanted = self._choice.previous()
        model = self._at_hand(wanted) or self._choice.open(wanted.run, self.current.version)
        with self._changing:
            current = self.current
            self._take(model, lambda: self._choice.make(current, model))

    def reconfigure(self, run: str) -> None:
        """Serve a run as a process that is started with it does: for what tells every process of a change.

        Raises:
            Refused: there is no such run, or it is damaged; the model before stays in use.
        """
        before = self._choice.start
        if run == before:
            return
        if self._choice.restart(run):
            self._follow()
            return
        try:
            self.swap(run)
        except Refused:
            self._choice.restart(before)
            raise

    def _follow(self) -> bool:
        """Change to the run that another process was asked for."""
        found = self._choice.follow(self._at_hand, self.current.version)
        if found is None:
            return False
        model, served = found
        with self._changing:
            is_later = self._choice.is_later(served)
            if is_later:
                self._take(model, lambda: self._choice.note(served))
        return is_later

    def _is_served(self, version: str) -> bool:
        """Whether a version is the current one or the one before, for all processes."""
        return version == self.current.version or (self.before is not None and version == self.before.version)

    def _reopened(self, version: str) -> ServedModel | None:
        """Open the model before again, if it has a version."""
        wanted = self.before
        if wanted is None or wanted.version != version or wanted == self._lost:
            return None
        try:
            model = self._choice.open(wanted.run, self.current.version)
        except Refused as error:
            _log.warning(f"sessions of {version} cannot go on in this process: {error}")
            self._lost = wanted
            return None
        if model.version != version:  # the folder was written again
            self._lost = wanted
            return None
        with self._changing:
            if self.before == wanted and self.current.version != version:
                self._before = with_stored(model, self._store)
        return self._of_version(version)

    def _at_hand(self, wanted: RunVersion) -> ServedModel | None:
        """A model that is in memory."""
        return self._of_version(wanted.version)

    def _of_version(self, version: str) -> ServedModel | None:
        return next((one for one in (self.current, self._before) if one is not None and one.version == version), None)

    def _take(self, model: ServedModel, note: Callable[[], None]) -> None:
        """Serve a model with the items of the store, after `note`. The one in use is kept, for `rollback`."""
        version, current = self._store.items_version(), self.current
        kept = self._before if current.version == model.version else current  # a repeated request must not lose the one to return to
        served = with_stored(model, self._store)
        note()
        self.current, self._before, self._items_version = served, kept, version

    def _written(self, write: Callable[[], object]) -> None:
        """Write a change of an item; if another process has written meanwhile, the next `refresh` reads all items again."""
        before = self._items_version
        write()
        now = self._store.items_version()
        self._items_version = now if now == before + 1 else before

    def _take_stored(self) -> bool:
        version = self._store.items_version()
        if version == self._items_version:
            return False
        self.current = with_stored(self.current, self._store)
        self._items_version = version
        return True


def check_listed(model: ServedModel, item_id: str) -> None:
    """Raise Refused if a model has no such item, or it was removed."""
    if not model.catalogue.has(item_id):
        raise Refused(UNKNOWN_ITEM, f"item_id: there is no item `{item_id}`")
