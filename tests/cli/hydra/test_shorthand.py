"""A folder and options instead of keys, for the verbs about data."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from mmrec.cli.hydra.shorthand import spell_out
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
    assert spell_out("data check", words) == spelt


@pytest.mark.parametrize(
    ("verb", "words", "said"),
    [
        ("data check", ["a", "--jsn", "b"], "--jsn: there is no such option; did you mean `--json`?"),
        ("data describe", ["a", "--outptu=b"], "--outptu=b: there is no such option; did you mean `--output`?"),
        ("data check", ["a", "--json"], "--json: expected a file after it"),
        ("data check", ["a", "b"], "`b`: expected one folder and overrides as key=value, `a` is a folder already"),
        ("data ingest", ["a"], "expected a folder to write: mmrec data ingest my_shop/ ready/"),
        ("data ingest", ["a", "b", "c"], "`c`: expected one folder and overrides as key=value, `a` is a folder already"),
        ("data check", [], "expected a folder or data=…: mmrec data check my_shop/"),
    ],
)
def test_a_mistake_is_told(verb: str, words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        spell_out(verb, words)
    assert str(refused.value) == said


def test_the_second_word_of_ingest_is_the_folder_to_write() -> None:
    assert spell_out("data ingest", ["a", "b c", "seed=1"]) == ["data=folder", "data.path='a'", "output='b c'", "seed=1"]


def test_the_graph_has_data_of_its_own_by_default() -> None:
    assert spell_out("data graph", []) == []


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\x00="), min_size=1).filter(lambda text: not text.startswith("-")))
def test_any_path_comes_through(path: str) -> None:
    override = OverridesParser.create().parse_override(spell_out("data check", [path])[1])
    assert override.get_key_element() == "data.path" and override.value() == path
