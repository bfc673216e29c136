"""Models are found in packages without their being listed, and behind entry points; contracts are none."""

import sys
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mmrec.models.closed_form.ease import EASE
from mmrec.models.popularity.popularity import Popularity
from mmrec.models.recommender import ClosedFormRecommender
from mmrec.testing import discovery
from mmrec.testing.discovery import find_models, is_model
from mmrec.testing.recommender_contract import RecommenderContract

SOURCE = '''
from mmrec.models.popularity.popularity import Popularity


class Twice(Popularity):
    """Popularity by another name."""
'''


class TestTwoAttributesAreEnough(RecommenderContract):
    """The whole test of a model."""

    model = EASE
    settings = {"regularization": 5.0}  # noqa: RUF012


def test_models_of_a_package_and_of_entry_points_are_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_models" / "inside").mkdir(parents=True)  # without an __init__.py
    (tmp_path / "their_models" / "inside" / "twice.py").write_text(SOURCE)
    (tmp_path / "empty_models.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    entries = [
        EntryPoint(name, value, discovery.ENTRY_POINT) for name, value in (("a", "their_models"), ("b", "their_models.inside.twice:Twice"))
    ]
    monkeypatch.setattr(discovery, "installed", lambda group: {one.name: one for one in entries} if group == discovery.ENTRY_POINT else {})
    try:
        found = find_models()
        assert [model.__name__ for model in found].count("Twice") == 1 and EASE in found
        assert [model.__name__ for model in find_models(import_module("empty_models"))] == ["Twice"]
    finally:
        for name in [name for name in sys.modules if name.startswith(("their_models", "empty_models"))]:
            del sys.modules[name]


def test_a_contract_is_no_model() -> None:
    assert is_model(Popularity) and not is_model(ClosedFormRecommender) and not is_model(Popularity()) and not is_model(Path)
