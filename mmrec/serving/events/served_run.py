"""The run that all processes with one store serve, after one of them was asked for another."""

import json
from dataclasses import dataclass
from typing import NamedTuple, final


class RunVersion(NamedTuple):
    """A run folder, and what was in it."""

    run: str
    """The name of the folder."""
    version: str
    """See `version_of`: a folder of the same name that was written again has another one."""


@final
@dataclass(frozen=True)
class ServedRun:
    """The latest choice of a run. Processes that find a later generation than theirs change to its run."""

    generation: int
    """Grows with every choice, by whichever process."""
    start: str
    """The run that the process was started with. A process that is started again with the same one begins with the chosen run."""
    chosen: RunVersion
    before: RunVersion | None = None
    """What `rollback` returns to."""

    def to_text(self) -> str:
        """Convert to JSON."""
        return json.dumps([self.generation, self.start, self.chosen, self.before])

    @staticmethod
    def from_text(text: str) -> "ServedRun":
        """Convert from JSON."""
        generation, start, chosen, before = json.loads(text)
        return ServedRun(generation, start, RunVersion(*chosen), None if before is None else RunVersion(*before))
