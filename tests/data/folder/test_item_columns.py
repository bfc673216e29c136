"""Which columns of the items are their text and their image."""

import polars as pl
import pytest

from mmrec.data.folder.item_columns import choose_image, choose_texts
from mmrec.errors import ConfigError

ITEMS = pl.DataFrame(
    {"item_id": ["i"], "plot": ["p"], "series_name": ["s"], "title": ["t"], "year": [1], "image": ["i.jpg"], "tags": [["x"]]}
)


def test_titles_come_first_and_all_that_is_text_counts() -> None:
    assert choose_texts(ITEMS, None, "image", "here") == ("title", "series_name", "plot")
    assert choose_texts(ITEMS, ["year", "tags"], "image", "here") == ("year", "tags")
    with pytest.raises(ConfigError, match="the items have no column `titel`; did you mean `title`"):
        choose_texts(ITEMS, ["titel"], None, "here")


def test_an_image_is_a_column_of_text_or_a_pattern() -> None:
    assert choose_image(ITEMS, None, "here") == "image"
    assert choose_image(ITEMS.drop("image"), None, "here") is None
    assert choose_image(ITEMS, "plot", "here") == "plot"
    assert choose_image(ITEMS, "photos/{item_id}.*", "here") == "image"
    with pytest.raises(ConfigError, match="expected a column of text, `tags` holds List"):
        choose_image(ITEMS, "tags", "here")
