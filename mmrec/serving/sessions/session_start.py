"""What a session began with, so that every process can begin it again: the person as they were known then."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from mmrec.serving.answer import Past


@final
@dataclass(frozen=True)
class SessionStart:
    """The beginning of a session.

    Args:
        language: of the answers.
        user_id: whose it is; None: nobody's.
        is_of_run: whether what the run knows of the user counts: they were not forgotten.
        past: what the person did beside the data of the run, oldest first.
        popular: what was popular then, items and numbers of users.
    """

    language: str = "en"
    user_id: str | None = None
    is_of_run: bool = False
    past: Sequence[Past] = ()
    popular: Sequence[tuple[str, float]] = ()

    def to_text(self) -> str:
        """Convert to JSON, without the user."""
        past = [(one.item_id, one.timestamp, one.event) for one in self.past]
        return json.dumps([self.language, self.is_of_run, past, list(self.popular)])

    @staticmethod
    def from_text(text: str, user_id: str | None) -> "SessionStart":
        """Convert from JSON."""
        language, is_of_run, past, popular = json.loads(text)
        return SessionStart(language, user_id, is_of_run, [Past(*one) for one in past], [(name, n_users) for name, n_users in popular])
