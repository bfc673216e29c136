"""The pages docs/add_*.md, followed literally: what they say to write is written, and what they say to run runs."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.docs.page_steps import follow

pytestmark = pytest.mark.slow


@pytest.fixture
def pairs() -> pl.DataFrame:
    """40 users with 20 of 30 items each, of which most are of one kind."""
    draw = np.random.default_rng(0)
    user, item = np.divmod(draw.permutation(40 * 30)[:800], 30)
    return pl.DataFrame({"user_id": [f"u{k}" for k in user], "item_id": [f"i{k}" for k in item]})


@pytest.fixture
def shop(pairs: pl.DataFrame, tmp_path: Path) -> Path:
    """A folder in which a page can be followed: it holds `shop`."""
    (tmp_path / "shop").mkdir()
    pairs.write_csv(tmp_path / "shop" / "interactions.csv")
    items = pl.DataFrame({"item_id": [f"i{k}" for k in range(30)], "title": [f"lamp no {k}" for k in range(30)]})
    items.write_csv(tmp_path / "shop" / "items.csv")
    return tmp_path


def test_a_model_of_an_installed_package_is_trained_by_its_name(shop: Path) -> None:
    tested, trained = follow("add_a_model.md", shop)
    assert " passed" in tested and "failed" not in tested
    assert "together" in trained
    about = json.loads((shop / "runs" / "together" / "run.json").read_text())
    assert about["model"] == "together"
    assert "for user u1" in trained


def test_a_source_is_checked_and_trained_on(pairs: pl.DataFrame, tmp_path: Path) -> None:
    orders = [{"customer": user, "sku": item, "at": 1_600_000_000 + n} for n, (user, item) in enumerate(pairs.iter_rows())]
    (tmp_path / "export.json").write_text(json.dumps({"orders": orders, "products": [{"sku": "i1", "name": "A lamp"}]}))
    tested, used = follow("add_a_source.md", tmp_path)
    assert "2 passed" in tested
    assert "export: no problems; 800 interactions, 40 users, 30 items" in used
    assert json.loads((tmp_path / "runs" / "export" / "run.json").read_text())["data"]["name"] == "export"


def test_an_encoder_makes_features_that_the_run_names(shop: Path) -> None:
    tested, _ = follow("add_an_encoder.md", shop)
    assert "2 passed" in tested
    about = json.loads((shop / "runs" / "hashed" / "run.json").read_text())
    assert about["features"]["text"] == {"encoder": "hashed words, 256 buckets", "present": 30, "total": 30}
