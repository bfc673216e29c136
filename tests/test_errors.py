"""mmrec.errors: one tree, one exit code, and hints that name what is near."""

import pytest

from mmrec.errors import ConfigError, DataError, DownloadError, MissingFile, MmrecError, nearest


@pytest.mark.parametrize("error", [ConfigError, DataError, MissingFile, DownloadError])
def test_whatever_a_person_can_cause_is_one_kind_of_error(error: type[MmrecError]) -> None:
    with pytest.raises(MmrecError, match="expected a number") as caught:
        raise error("expected a number")
    assert caught.value.exit_code == 2


def test_the_nearest_name_is_the_closest_of_several() -> None:
    assert nearest("fusin", ["fusion", "fusing_it_all", "loss"]) == "did you mean `fusion`?"
    assert nearest("user_di", ["item_id", "user_id"]) == "did you mean `user_id`?"


def test_without_a_close_name_all_are_listed_in_order() -> None:
    assert nearest("zzz", ["loss", "fusion"]) == "choose from `fusion`, `loss`"
    assert nearest("zzz", []) == "there is none to choose from"


def test_at_most_twelve_names_are_listed_and_the_rest_are_counted() -> None:
    names = [f"name_{i:02d}" for i in range(15)]
    assert nearest("zzz", names[:12]).endswith("`name_11`")
    assert nearest("zzz", names).endswith("`name_11`, … (3 more)")


def test_names_need_not_be_text() -> None:
    assert nearest(21, [20, 1000]) == "choose from `1000`, `20`"
