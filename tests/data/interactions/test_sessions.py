"""Sessions: a pause ends one, and users are kept apart."""

import torch

from mmrec.data.interactions.sessions import HOUR_S, find_sessions


def test_a_long_pause_starts_a_session_of_the_same_user_only() -> None:
    user = torch.tensor([1, 0, 1, 1, 0])
    hours = torch.tensor([30, 1, 0, 5, 2])
    found = find_sessions(user, hours * HOUR_S, gap_hours=6)
    assert found.number.tolist() == [2, 0, 1, 1, 0]
    assert (found.start // HOUR_S).tolist() == [30, 1, 0, 0, 1]


def test_a_session_may_last_longer_than_the_pause() -> None:
    hours = torch.tensor([0, 5, 10, 15, 22])
    assert find_sessions(torch.zeros(5, dtype=torch.int64), hours * HOUR_S, gap_hours=6).number.tolist() == [0, 0, 0, 0, 1]


def test_nothing_has_no_sessions() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    assert len(find_sessions(nothing, nothing, 6.0).number) == 0
