"""A fraction of the training part: nested by size, in order, with the other parts as they were."""

import polars as pl
import pytest

from mmrec.data.interactions.split import Split
from mmrec.data.interactions.train_share import keep_train_share
from mmrec.errors import ConfigError

TRAIN = pl.DataFrame({"user_id": [f"u{row // 10}" for row in range(200)], "item_id": [f"i{row % 10}" for row in range(200)]})
SPLIT = Split(TRAIN, TRAIN[:3], TRAIN[3:5], "some")


def test_smaller_fractions_are_within_larger_ones_in_the_order_of_rows() -> None:
    parts = [keep_train_share(SPLIT, share, seed=1) for share in (0.01, 0.25, 0.5)]
    assert [len(part.train) for part in parts] == [2, 50, 100]
    for small, large in zip(parts, [*parts[1:], SPLIT], strict=True):
        assert small.train.join(large.train, on=["user_id", "item_id"], how="anti").is_empty()
        assert small.train.equals(TRAIN.join(small.train, on=["user_id", "item_id"], how="semi", maintain_order="left"))
        assert small.valid.equals(SPLIT.valid) and small.test.equals(SPLIT.test)
    assert parts[0].notes == ("2 of 200 rows of train are kept, the others removed (train_share=0.01)",)
    assert not keep_train_share(SPLIT, 0.25, seed=2).train.equals(parts[1].train)


def test_all_rows_are_the_split_itself_and_there_is_at_least_one() -> None:
    assert keep_train_share(SPLIT, 1.0) is SPLIT
    assert len(keep_train_share(SPLIT, 1e-9).train) == 1
    with pytest.raises(ConfigError, match="train_share: expected a fraction above 0 and at most 1, found 0"):
        keep_train_share(SPLIT, 0.0)
