"""Which run is served: what this process or another one with the same store was asked for last."""

import logging
import math
from collections.abc import Callable
from typing import final

from mmrec.serving.events.event_store import EventStore
from mmrec.serving.events.served_run import RunVersion, ServedRun
from mmrec.serving.model.served import ServedModel
from mmrec.serving.refusal import DAMAGED_RUN, UNKNOWN_RUN, Refused

AGAIN_AFTER_S = 10
"""When a run that another process serves, and this one cannot open, is tried again."""
_log = logging.getLogger(__name__)


@final
class RunChoice:
    """The choice of a run that all processes with one store make together: the latest one counts.

    Args:
        store: where the choice is kept.
        clock: the time in seconds.
        load: opens a run by its name; None: there are no others.
        start: the run that the process was started with. A choice that is stored already counts if it was made by processes that were
            started with the same run: so does a process that is started again after another run was chosen. Any later choice counts.
    """

    def __init__(self, store: EventStore, clock: Callable[[], float], load: Callable[[str], ServedModel] | None, start: str) -> None:
        self._store, self._clock, self._load = store, clock, load
        self.start = start
        """The run that the process was started with."""
        found = store.served_run()
        self._ignored = 0 if found is None or found.start == start else found.generation
        self._generation, self._failed = self._ignored, (0, -math.inf)  # the choice that could not be opened, and when it is tried again
        self.before: RunVersion | None = None
        """What was served before, as far as this process knows."""

    def open(self, run: str, in_use: str) -> ServedModel:
        """Open a run by its name.

        Raises:
            Refused: there is no such run, or it is damaged; `in_use` is named as what stays.
        """
        if self._load is None:
            raise Refused(UNKNOWN_RUN, "run: this service has one run only")
        try:
            return self._load(run)
        except Refused:
            raise
        except Exception as error:  # whatever a damaged file leads to, the model before stays
            raise Refused(DAMAGED_RUN, f"run: {run} cannot be served, {in_use} stays in use: {error}") from error

    def previous(self) -> RunVersion:
        """Return what was served before the latest choice, by whichever process. Raises Refused if there is none."""
        found = self._latest()
        if found is None or found.before is None:
            raise Refused(UNKNOWN_RUN, "there is no model before this one")
        return found.before

    def restart(self, run: str) -> bool:
        """Go on as a process that is started with a run; return whether others that are have chosen one, which `follow` returns."""
        found = self._store.served_run()
        is_chosen = found is not None and found.start == run
        self.start = run
        if is_chosen:
            self._ignored = self._generation = 0
        return is_chosen

    def make(self, current: ServedModel, wanted: ServedModel) -> None:
        """Choose `wanted` for all processes, of which this one serves `current`."""
        to = RunVersion(wanted.run, wanted.version)

        def change(found: ServedRun | None) -> ServedRun:
            generation = 0 if found is None else found.generation
            known = None if generation <= self._ignored else found
            at = RunVersion(current.run, current.version) if known is None else known.chosen
            before = None if known is None else known.before
            return ServedRun(generation + 1, self.start, to, before if at == to else at)  # a repeated request keeps what was before

        self.note(self._store.serve_run(change))

    def follow(self, at_hand: Callable[[RunVersion], ServedModel | None], in_use: str) -> tuple[ServedModel, ServedRun] | None:
        """Return the model that another process was asked for, and the choice, for `note`; None if there is none.

        Args:
            at_hand: returns a model that need not be opened.
            in_use: named in the log, if the run cannot be opened; it is tried again later.
        """
        found = self._latest()
        if found is None or not self.is_later(found) or (found.generation == self._failed[0] and self._clock() < self._failed[1]):
            return None
        try:
            return at_hand(found.chosen) or self.open(found.chosen.run, in_use), found
        except Refused as error:
            self._failed = found.generation, self._clock() + AGAIN_AFTER_S
            _log.error(f"serve: others serve {found.chosen.version}, which this process cannot: {error}")
            return None

    def is_later(self, served: ServedRun) -> bool:
        """Return whether a choice is later than the one that this process serves."""
        return served.generation > self._generation

    def note(self, served: ServedRun) -> None:
        """Note that this process serves a choice."""
        self._generation, self.before = served.generation, served.before

    def _latest(self) -> ServedRun | None:
        found = self._store.served_run()
        return None if found is None or found.generation <= self._ignored else found
