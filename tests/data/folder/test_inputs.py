"""What further encoders read of a folder: columns of text and of pictures beside those of text and image."""

from pathlib import Path

import pytest
from PIL import Image

from mmrec.data.folder.read import read_folder
from mmrec.errors import ConfigError
from mmrec.types import RawInput

INPUTS = {"reviews": {"text_columns": ["review"]}, "back": {"image_column": "behind"}, "side": {"image_column": "sides/{item_id}.*"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "interactions.csv").write_text("user_id,item_id\nu,a\nv,b\n")
    (tmp_path / "items.csv").write_text("item_id,title,review,image,behind\na,Lamp,so warm,a.png,b.png\nb,Chair,,,\n")
    (tmp_path / "sides").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "sides" / "b.png")
    return tmp_path


def test_each_is_an_input_of_its_own_and_no_part_of_the_text(folder: Path) -> None:
    dataset = read_folder(str(folder), inputs=INPUTS)
    assert dataset.text_columns == ("title",)
    assert dataset.inputs == {
        "text": RawInput(("title",)),
        "image": RawInput(image_column="image"),
        "reviews": RawInput(("review",)),
        "back": RawInput(image_column="behind"),
        "side": RawInput(image_column="image: side"),
    }
    assert dataset.items["image: side"].to_list() == [None, "sides/b.png"]
    assert read_folder(str(folder)).text_columns == ("title", "review", "behind")


def test_the_folder_may_say_so_itself(folder: Path) -> None:
    (folder / "mmrec.yaml").write_text("inputs:\n  reviews: {text_columns: [review]}\n")
    assert read_folder(str(folder)).further_inputs == {"reviews": RawInput(("review",))}
    assert list(read_folder(str(folder), inputs={"back": {"image_column": "behind"}}).further_inputs) == ["reviews", "back"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"text": {"text_columns": ["review"]}}, "data.inputs.text: expected a name of small letters"),
        ({"reviews": {"text_columns": ["review"], "image_column": "behind"}}, "data.inputs.reviews: expected either"),
        (
            {"reviews": {"text_colums": ["review"]}},
            "data.inputs.reviews.text_colums: there is no such setting; did you mean `text_columns`",
        ),
        ({"reviews": {"text_columns": "review"}}, "data.inputs.reviews.text_columns: expected a list of columns, found `review`"),
        (
            {"reviews": {"text_columns": ["revue"]}},
            "data.inputs.reviews.text_columns: the items have no column `revue`; did you mean `review`",
        ),
        ({"reviews": {"text_columns": ["item_id"]}}, "data.inputs.reviews.text_columns: `item_id` contains the ids"),
        ({"back": {"image_column": "behnd"}}, "data.inputs.back.image_column: the items have no column `behnd`; did you mean `behind`"),
        ({"back": {"image_column": "../{item_id}.*"}}, "data.inputs.back.image_column: expected a glob inside the folder"),
    ],
)
def test_what_cannot_be_is_a_message(inputs: dict[str, dict[str, object]], said: str, folder: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read_folder(str(folder), inputs=inputs)
    assert str(refused.value).startswith(said)
