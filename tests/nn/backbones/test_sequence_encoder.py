"""SequenceEncoder: it reads no later event, and knows the time between events."""

import torch

from mmrec.nn.backbones.sequence_encoder import N_INTERVALS, SequenceEncoder, interval_buckets


def encoder() -> SequenceEncoder:
    torch.manual_seed(0)
    return SequenceEncoder(8, n_layers=2, n_heads=2, dropout=0.0, max_length=6)


def test_later_events_change_nothing_before() -> None:
    items, intervals = torch.randn(1, 5, 8), torch.zeros(1, 5, dtype=torch.int64)
    changed = items.clone()
    changed[0, 3] = torch.randn(8)
    one, other = (encoder()(vectors, intervals) for vectors in (items, changed))
    torch.testing.assert_close(one[:, :3], other[:, :3])
    assert not torch.allclose(one[:, 3:], other[:, 3:])


def test_intervals_change_the_state() -> None:
    items = torch.randn(1, 5, 8)
    one, other = (encoder()(items, torch.full((1, 5), bucket)) for bucket in (1, 9))
    assert not torch.allclose(one, other)


def test_buckets_are_logarithmic_and_begin_anew_with_each_user() -> None:
    times, indptr = torch.tensor([100, 100, 103, 2**60, 5, 5]), torch.tensor([0, 4, 4, 6])
    assert interval_buckets(times, indptr, 6).tolist() == [0, 1, 3, N_INTERVALS - 1, 0, 1]
    assert interval_buckets(None, indptr, 6).tolist() == [0] * 6
