"""A few users to look at: the last of their history and what they were recommended, by title and picture, hits marked."""

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
    """An item as a person sees it."""

    item_id: str
    title: str
    thumbnail: str
    """A JPEG data URI; empty where there is no picture or it cannot be read."""
    is_hit: bool = False


@dataclass(frozen=True)
class UserView:
    """One user with history (oldest to newest, its last few) and recommendations (best first)."""

    user_id: str
    n_train: int
    n_test: int
    history: list[ItemView]
    recommendations: list[ItemView]

    @property
    def n_hits(self) -> int:
        return sum(item.is_hit for item in self.recommendations)


def choose_users(recommendations: pl.DataFrame, train: pl.DataFrame, n_users: int) -> list[str]:
    """Users with recommendations, evenly spread over their number of training interactions, fewest first; the same every time."""
    degree = train.group_by(USER_ID).len()
    users = recommendations.select(pl.col(USER_ID).unique()).join(degree, on=USER_ID, how="left")
    ordered = users.with_columns(pl.col("len").fill_null(0)).sort("len", USER_ID)[USER_ID].to_list()
    if len(ordered) <= n_users:
        return ordered
    return [ordered[round(i * (len(ordered) - 1) / max(n_users - 1, 1))] for i in range(n_users)]


def example_users(recommendations: pl.DataFrame, split: dict[str, pl.DataFrame], dataset: Dataset, n_users: int, k: int) -> list[UserView]:
    """The chosen users' views. `split` holds `train`, `valid`, `test`; a hit is a recommendation among the user's test interactions."""
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
    """A JPEG data URI of at most `size` x `size` pixels, transparency on white; empty where the picture cannot be read."""
    try:
        return inline_picture(path.read_bytes(), size)
    except OSError:
        return ""


def inline_picture(raw: bytes, size: int = THUMBNAIL_SIZE) -> str:
    """The same of a picture's bytes."""
    try:
        picture = decode_picture(raw)
    except ValueError:
        return ""
    picture.thumbnail((size, size))
    target = BytesIO()
    picture.save(target, "JPEG", quality=70, optimize=True)
    return "data:image/jpeg;base64," + b64encode(target.getvalue()).decode()


def _item_viewer(dataset: Dataset) -> Callable[[str, bool], ItemView]:
    """Looks an item up by id: its title (its id where it has none) and its thumbnail, each picture read once."""
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
    """Items of training and validation, oldest to newest where there are times, else in the order of the files."""
    past = pl.concat([split["train"], split["valid"]], how="diagonal").filter(pl.col(USER_ID).is_in(users))
    if TIMESTAMP in past.columns:
        past = past.sort(TIMESTAMP, maintain_order=True)
    return _items_by_user(past, users)


def _items_by_user(frame: pl.DataFrame, users: list[str]) -> dict[str, list[str]]:
    grouped = frame.filter(pl.col(USER_ID).is_in(users)).group_by(USER_ID, maintain_order=True).agg(ITEM_ID)
    return dict(grouped.iter_rows())
