"""Example users: who is chosen, what is shown of them, and which pictures survive."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import polars as pl
from PIL import Image

from mmrec.evaluation.pages.examples import choose_users, example_users, thumbnail
from mmrec.types import Dataset


def events(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def recommend(*rows: tuple[str, str, int]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "item_id", "rank"], orient="row")


def decode(uri: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(uri.removeprefix("data:image/jpeg;base64,"))))


def test_users_are_spread_over_their_degree() -> None:
    train = events(*((f"u{n}", f"i{i}", i) for n in range(10) for i in range(n)))
    recommendations = recommend(*((f"u{n}", "i0", 1) for n in reversed(range(10))))
    assert choose_users(recommendations, train, 4) == ["u0", "u3", "u6", "u9"]
    assert choose_users(recommendations.reverse(), train, 4) == ["u0", "u3", "u6", "u9"]
    assert choose_users(recommendations, train, 20) == [f"u{n}" for n in range(10)]
    assert choose_users(recommendations, train, 1) == ["u0"]


def test_history_is_in_time_order_and_hits_are_of_the_test_part() -> None:
    split = {
        "train": events(("u", "a", 5), *(("u", f"old{i}", -i) for i in range(9)), ("other", "d", 9)),
        "valid": events(("u", "b", 3)),
        "test": events(("u", "c", 9), ("other", "a", 1)),
    }
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "title": ["A", None, "C", "D"]})
    dataset = Dataset("toy", Path("."), split["train"], items, ("title",))
    (user,) = example_users(recommend(("u", "d", 2), ("u", "c", 1), ("u", "a", 3)), split, dataset, n_users=5, k=2)
    assert [item.title for item in user.history] == ["old2", "old1", "old0", "b", "A"]
    assert [(item.title, item.is_hit) for item in user.recommendations] == [("C", True), ("D", False)]
    assert (user.n_train, user.n_test, user.n_hits) == (10, 1, 1)


def test_thumbnail_is_small_and_keeps_its_shape(tmp_path: Path) -> None:
    Image.new("RGB", (400, 200), (200, 30, 30)).save(tmp_path / "wide.png")
    picture = decode(thumbnail(tmp_path / "wide.png"))
    assert (picture.format, picture.size) == ("JPEG", (64, 32))
    assert all(abs(got - expected) < 8 for got, expected in zip(picture.getpixel((30, 15)), (200, 30, 30), strict=True))


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (80, 80), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert min(decode(thumbnail(tmp_path / "clear.png")).getpixel((10, 10))) > 250


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    Image.effect_noise((300, 300), 90).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:2000])
    assert thumbnail(tmp_path / "whole.jpg")
    assert [thumbnail(tmp_path / name) for name in ("text.jpg", "cut.jpg", "missing.jpg", ".")] == [""] * 4
