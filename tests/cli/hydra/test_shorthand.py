"""A folder and options instead of keys, for the verbs about data."""

import string
from pathlib import Path

import polars as pl
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mmrec.cli.hydra.shorthand import expand_shorthand
from mmrec.cli.main import main
from mmrec.config.hydra.quoting import quote_paths
from mmrec.errors import ConfigError


@pytest.mark.parametrize(
    ("words", "spelt"),
    [
        (["my_shop/"], ["data=folder", "data.path='my_shop/'"]),
        (["data.columns.item_id=sku", "my_shop"], ["data.columns.item_id=sku", "data=folder", "data.path='my_shop'"]),
        (["data=movielens_100k", "--json", "-"], ["data=movielens_100k", "json='-'"]),
        (["my_shop", "--json=a b.json", "--cfg", "job"], ["data=folder", "data.path='my_shop'", "json='a b.json'", "--cfg", "job"]),
        (["data.path=x"], ["data.path=x"]),
    ],
)
def test_words_become_overrides(words: list[str], spelt: list[str]) -> None:
    assert expand_shorthand("data check", words) == spelt


@pytest.mark.parametrize(
    ("verb", "words", "said"),
    [
        ("data check", ["a", "--jsn", "b"], "--jsn: there is no such option; did you mean `--json`?"),
        ("data describe", ["a", "--outptu=b"], "--outptu=b: there is no such option; did you mean `--output`?"),
        ("data check", ["a", "--json"], "--json: expected a file name after this option"),
        ("data check", ["a", "b"], "`b`: expected a single folder and overrides as key=value; the folder `a` is already given"),
        ("data ingest", ["a"], "expected a folder to write: mmrec data ingest my_shop/ ready/"),
        ("data ingest", ["a", "b", "c"], "`c`: expected a single folder and overrides as key=value; the folder `a` is already given"),
        ("data check", [], "expected a folder or data=…: mmrec data check my_shop/"),
    ],
)
def test_a_mistake_is_told(verb: str, words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        expand_shorthand(verb, words)
    assert str(refused.value) == said


def test_the_second_word_of_ingest_is_the_folder_to_write() -> None:
    assert expand_shorthand("data ingest", ["a", "b c", "seed=1"]) == ["data=folder", "data.path='a'", "output='b c'", "seed=1"]


def test_the_graph_has_data_of_its_own_by_default() -> None:
    assert expand_shorthand("data graph", []) == []


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x00="), min_size=1).filter(lambda text: not text.startswith("-")))
def test_any_path_comes_through(path: str) -> None:
    assume(not path.startswith("~"))
    override = OverridesParser.create().parse_override(expand_shorthand("data check", [path])[1])
    assert override.get_key_element() == "data.path" and OmegaConf.create({"path": override.value()}).path == path


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *((key, text) for key in ("data.path", "run", "data.tables.interactions") for text in ("a=b", "shop[1]", "a,b", "é", "1_0")),
        *(("output", text) for text in ("[x]", "{a}", "true", "it's", 'a"b', "choice(a,b)", "a#b;c&d!")),
    ],
)
def test_the_value_of_a_path_is_what_the_shell_gives(key: str, text: str) -> None:
    (word,) = quote_paths([f"{key}={text}"])
    override = OverridesParser.create().parse_override(word)
    assert override.get_key_element() == key and override.value() == text


def test_what_is_no_path_or_no_plain_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = [
        "filter.min_rating=[x",
        "run=null",
        "data.path='my shop'",
        "data.path=${paths.cache}/x",
        "data.tables.interactions=orders-*.csv",
    ]
    assert quote_paths([*kept, "-m", "data.path=a,b"]) == [*kept, "-m", "data.path=a,b"]
    (tmp_path / "${paths.cache}").mkdir()
    (word,) = quote_paths(["data.path=${paths.cache}"])
    assert OmegaConf.create({"path": OverridesParser.create().parse_override(word).value()}).path == "${paths.cache}"


def test_a_home_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert quote_paths(["run=~/runs/x"]) == ["run='/home/me/runs/x'"]


def test_a_folder_may_look_like_an_override(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    assert expand_shorthand("data ingest", ["a=b", "./c=d", "seed=1"]) == ["data=folder", "data.path='a=b'", "output='./c=d'", "seed=1"]


@pytest.mark.parametrize(
    "letters",
    [string.punctuation + " " + "ez09", pytest.param(string.ascii_letters + string.digits, marks=pytest.mark.thorough)],
    ids=["signs", "letters"],
)
def test_a_folder_of_any_printable_name_is_checked(
    letters: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Signs may mean something to Hydra or to a pattern; of letters and digits, `make test` takes few."""
    for letter in letters:
        name, beside = (f"{letter}a{letter}", tmp_path / str(ord(letter))) if letter != "/" else ("a/a", tmp_path / "slash")
        (beside / name).mkdir(parents=True)
        monkeypatch.chdir(beside)
        (beside / name / "interactions.csv").write_text("user_id,item_id\nu,i\nu,j\n")
        (beside / name / "items.jsonl").write_text('{"item_id": "i", "title": "t"}\n')
        pl.DataFrame({"user_id": ["u"]}).write_parquet(beside / name / "users.parquet")
        monkeypatch.setattr("sys.argv", ["mmrec", "data", "check", f"./{name}" if letter == "-" else name])
        main()
        assert ": no problems; 2 interactions, 1 users, 2 items" in capsys.readouterr().out, name
