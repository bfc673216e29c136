"""Example users of a report: their latest history and their recommendations with titles, thumbnails and hits."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import polars as pl

from mmrec.data.pictures.decode import decode_picture
from mmrec.types import ITEM_ID, TIMESTAMP, USER_ID, Dataset

THUMBNAIL_SIZE = 64
N_HISTORY = 5


@dataclass(frozen=True)
class ItemView:
    """An item as displayed."""

    item_id: str
    title: str
    thumbnail: str
    """A JPEG data URI; empty if there is no readable picture."""
    is_hit: bool = False


@dataclass(frozen=True)
class UserView:
    """A user with the latest items of the history, oldest to newest, and recommendations, best first."""

    user_id: str
    n_train: int
    n_test: int
    history: list[ItemView]
    recommendations: list[ItemView]

    @property
    def n_hits(self) -> int:
        return sum(item.is_hit for item in self.recommendations)


def choose_users(recommendations: pl.DataFrame, train: pl.DataFrame, n_users: int) -> list[str]:
    """Choose users with recommendations, evenly spaced in ascending order of training interactions; deterministic."""
    degree = train.group_by(USER_ID).len()
    users = recommendations.select(pl.col(USER_ID).unique()).join(degree, on=USER_ID, how="left")
    ordered = users.with_columns(pl.col("len").fill_null(0)).sort("len", USER_ID)[USER_ID].to_list()
    if len(ordered) <= n_users:
        return ordered
    return [ordered[round(i * (len(ordered) - 1) / max(n_users - 1, 1))] for i in range(n_users)]


def example_users(recommendations: pl.DataFrame, split: dict[str, pl.DataFrame], dataset: Dataset, n_users: int, k: int) -> list[UserView]:
    """Return example users with their top-k recommendations; hits are items of the user's test interactions.

    Args:
        recommendations: a table with `user_id`, `item_id` and `rank`.
        split: the tables `train`, `valid` and `test`.
        dataset: has titles and pictures.
        n_users: the number of users.
        k: the number of recommendations per user.
    """
    chosen = choose_users(recommendations, split["train"], n_users)
    history, test = _past_items(split, chosen), _items_by_user(split["test"], chosen)
    top = _items_by_user(recommendations.filter(pl.col("rank") <= k).sort(USER_ID, "rank"), chosen)
    n_train = dict(split["train"].filter(pl.col(USER_ID).is_in(chosen)).group_by(USER_ID).len().iter_rows())
    view = _item_viewer(dataset)
    views = []
    for user in chosen:
        positives = set(test.get(user, []))
        recommended = [view(item, item in positives) for item in top[user]]
        past = [view(item, False) for item in history.get(user, [])[-N_HISTORY:]]
        views.append(UserView(user, n_train.get(user, 0), len(positives), past, recommended))
    return views


def thumbnail(path: Path, size: int = THUMBNAIL_SIZE) -> str:
    """Return a picture file as a JPEG data URI of at most `size` x `size` pixels on a white background; empty if it cannot be read."""
    try:
        return inline_picture(path.read_bytes(), size)
    except OSError:
        return ""


def inline_picture(raw: bytes, size: int = THUMBNAIL_SIZE) -> str:
    """Return a picture's bytes as a JPEG data URI, as `thumbnail` does for a file."""
    try:
        picture = decode_picture(raw)
    except ValueError:
        return ""
    picture.thumbnail((size, size))
    target = BytesIO()
    picture.save(target, "JPEG", quality=70, optimize=True)
    return "data:image/jpeg;base64," + b64encode(target.getvalue()).decode()


def _item_viewer(dataset: Dataset) -> Callable[[str, bool], ItemView]:
    """A function that looks up an item by id, with its title, or id if it has none, and its thumbnail; each picture is read once."""
    title_column = dataset.text_columns[0] if dataset.text_columns else ITEM_ID
    titles = dict(dataset.items.select(ITEM_ID, pl.col(title_column).alias("title")).iter_rows())
    image_column = dataset.image_column
    pictures = dict(dataset.items.select(ITEM_ID, pl.col(image_column).alias("image")).iter_rows()) if image_column else {}

    @cache
    def picture(item_id: str) -> str:
        return thumbnail(dataset.root / pictures[item_id]) if pictures.get(item_id) else ""

    def view(item_id: str, is_hit: bool) -> ItemView:
        return ItemView(item_id, str(titles.get(item_id) or item_id), picture(item_id), is_hit)

    return view


def _past_items(split: dict[str, pl.DataFrame], users: list[str]) -> dict[str, list[str]]:
    """Items of training and validation by user, in order of time if there are timestamps, otherwise in the order of the tables."""
    past = pl.concat([split["train"], split["valid"]], how="diagonal").filter(pl.col(USER_ID).is_in(users))
    if TIMESTAMP in past.columns:
        past = past.sort(TIMESTAMP, maintain_order=True)
    return _items_by_user(past, users)


def _items_by_user(frame: pl.DataFrame, users: list[str]) -> dict[str, list[str]]:
    grouped = frame.filter(pl.col(USER_ID).is_in(users)).group_by(USER_ID, maintain_order=True).agg(ITEM_ID)
    return dict(grouped.iter_rows())
