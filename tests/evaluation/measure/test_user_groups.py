"""mmrec.evaluation.measure.user_groups: who falls where, by hand."""

import polars as pl

from mmrec.evaluation.measure.user_groups import DAY, column_groups, recency_groups, sliced_columns, user_groups

IDS = pl.Series(["d", "a", "c", "b"])


def members(groups: dict) -> dict[str, list[str]]:
    return {name: IDS.filter(pl.Series(inside.numpy())).to_list() for name, inside in groups.items()}


def times(**rows: int) -> pl.DataFrame:
    return pl.DataFrame({"user_id": list(rows), "item_id": ["i"] * len(rows), "timestamp": list(rows.values())})


def test_a_column_groups_users_by_value() -> None:
    users = pl.DataFrame({"user_id": ["a", "b", "c", "x"], "age": [25, 18, 25, 99], "sex": ["F", "M", None, None]})
    found = {kind: members(groups) for kind, groups in column_groups(users, IDS).items()}
    assert found == {
        "users.age": {"18": ["b"], "25": ["a", "c"], "not given": ["d"]},  # x has no interaction: their 99 is no group
        "users.sex": {"F": ["a"], "M": ["b"], "not given": ["d", "c"]},
    }


def test_a_column_of_one_value_or_of_more_than_25_is_no_way_to_slice() -> None:
    ids = pl.Series([str(i) for i in range(26)])
    users = pl.DataFrame({"user_id": ids, "zip": ids, "country": "x", "half": [i % 25 for i in range(26)], "tags": [["a"]] * 26})
    assert list(column_groups(users, ids)) == ["users.half"]
    assert sliced_columns(users, ids).equals(users.select(pl.col("user_id"), "half"))
    assert column_groups(None, ids) == {} and sliced_columns(None, ids).columns == ["user_id"]


def test_numbers_of_many_values_are_binned_in_quartiles_and_keys_are_not() -> None:
    ids = pl.Series([str(i) for i in range(56)])
    users = pl.DataFrame({"user_id": ids, "age": [18 + i // 2 for i in range(56)], "postcode": range(56)})
    found = column_groups(users, ids)
    assert list(found) == ["users.age"]
    assert {name: int(inside.sum()) for name, inside in found["users.age"].items()} == {"18–24": 14, "25–31": 14, "32–38": 14, "39–45": 14}
    assert sliced_columns(users, ids).columns == ["user_id", "age"]


def test_recency_counts_from_the_last_in_training_to_the_first_in_test() -> None:
    train = pl.concat([times(a=0, b=0, c=500), times(a=100, b=0, c=300)])
    test = pl.concat([times(a=100 + DAY, b=7 * DAY + 1, c=499, d=10), times(a=50 * DAY, c=900)])
    found = members(recency_groups(IDS, train, test))
    assert found == {"day": ["a"], "week": [], "month": ["b"], "longer": [], "overlap": ["c"], "never": ["d"]}
    assert members(recency_groups(IDS, times(a=0, b=0), times(a=30 * DAY, b=30 * DAY + 1))) == {
        "day": [],
        "week": [],
        "month": ["a"],
        "longer": ["b"],
        "overlap": [],
        "never": [],
    }


def test_users_without_a_test_row_are_in_no_group_and_without_times_there_is_no_recency() -> None:
    found = members(recency_groups(IDS, times(a=0, b=0), times(a=5)))
    assert [name for names in found.values() for name in names] == ["a"]
    users = pl.DataFrame({"user_id": ["a", "b"], "sex": ["F", "M"]})
    parts = [frame.drop("timestamp") for frame in (times(a=0), times(b=1))]
    assert list(user_groups(users, IDS, *parts)) == ["users.sex"]
    assert list(user_groups(users, IDS, times(a=0), times(b=1))) == ["users.sex", "recency"]
