"""What a request asks of the service and cannot have."""

from mmrec.errors import MmrecError

UNKNOWN_ITEM, UNKNOWN_RUN, DAMAGED_RUN = "unknown-item", "unknown-run", "damaged-run"
CANNOT_PLACE, CANNOT_ANSWER, INVALID, EXPIRED = "cannot-place-item", "cannot-answer", "invalid-request", "expired-cursor"
UNKNOWN_SESSION, SESSION_GONE, SESSION_FULL = "unknown-session", "session-model-gone", "session-full"
KINDS = (UNKNOWN_ITEM, UNKNOWN_RUN, DAMAGED_RUN, CANNOT_PLACE, CANNOT_ANSWER, INVALID, EXPIRED, UNKNOWN_SESSION, SESSION_GONE, SESSION_FULL)


class Refused(MmrecError):
    """A request that the service refuses; its state is as before.

    Args:
        kind: one of `KINDS`.
        detail: what was expected and found.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
