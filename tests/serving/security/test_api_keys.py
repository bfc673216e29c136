"""Keys of the operator: stored as hashes, found again, revoked while the service runs."""

from pathlib import Path

import pytest

from mmrec.errors import ConfigError, DataError, MissingFile
from mmrec.serving.security import ApiKeys, make_key
from mmrec.serving.security.api_keys import read_keys


def test_a_key_is_found_and_not_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    shop, boss = make_key(path, "shop", ["read", "write"]), make_key(path, "boss", ["admin"])
    assert shop.startswith("mmrec_") and len(shop) > 40 and shop != boss
    assert path.stat().st_mode & 0o777 == 0o600
    assert shop not in path.read_text() and boss.removeprefix("mmrec_") not in path.read_text()
    keys = ApiKeys(path)
    assert keys.find(shop).name == "shop" and keys.find(shop).scopes == {"read", "write"}
    assert keys.find(boss).scopes == {"admin"}
    assert [keys.find(other) for other in ("", shop[:-1], shop + "x", shop.upper(), "\ud800")] == [None] * 5


def test_a_revoked_key_is_refused_without_a_restart(tmp_path: Path) -> None:
    path, now = tmp_path / "keys.jsonl", [0.0]
    first, second = make_key(path, "first", ["read"]), make_key(path, "second", ["read"])
    keys = ApiKeys(path, lambda: now[0])
    path.write_text(path.read_text().splitlines()[1] + "\n")
    now[0] = 3.0
    assert keys.find(first) is None and keys.find(second).name == "second"
    path.write_text("damaged")
    now[0] = 6.0
    assert keys.find(second) is None


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "[]",
        "x",
        "[" * 5000,
        '{"name": "a", "scopes": ["all"], "sha256": "' + "0" * 64 + '"}',
        '{"name":"a","scopes":[],"sha256":"0"}',
    ],
)
def test_another_line_is_refused_by_its_number(line: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    make_key(path, "a", ["read"])
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=r"keys\.jsonl:2: expected "):
        read_keys(path)


def test_what_makes_no_key_is_said(tmp_path: Path) -> None:
    path = tmp_path / "keys.jsonl"
    with pytest.raises(MissingFile, match=r"keys\.jsonl: expected a file of API keys, found none"):
        ApiKeys(path)
    with pytest.raises(ConfigError, match="found `wirte`; did you mean `write`"):
        make_key(path, "a", ["wirte"])
    with pytest.raises(ConfigError, match="at least one scope"):
        make_key(path, "a", [])
    make_key(path, "a", ["read"])
    with pytest.raises(ConfigError, match="`a` has a key in"):
        make_key(path, "a", ["read"])
