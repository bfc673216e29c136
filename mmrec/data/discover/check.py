"""Find everything that is wrong with a dataset in one pass."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import NamedTuple

from mmrec.data.interactions.index import check_catalogue
from mmrec.data.pictures.decode import decode_picture
from mmrec.data.pictures.read import read_pictures
from mmrec.data.pictures.urls import named_by_url
from mmrec.data.tables.problems import DataProblems, Problem, Problems
from mmrec.errors import DataError
from mmrec.types import ITEM_ID, Dataset


class Checked(NamedTuple):
    """The result of checking a dataset."""

    problems: Problems
    dataset: Dataset | None
    """Without the rows that are wrong, if the reader can leave them out; None if it cannot be read."""
    pictures: Problems


def check_dataset(read: Callable[..., Dataset], name: str, can_quarantine: bool, decode: bool) -> Checked:
    """Read a dataset and collect all problems with it and with its pictures.

    Args:
        read: returns the dataset.
        name: the name of the dataset in problems that concern all of it.
        can_quarantine: whether `read` takes `on_error` and `quarantine`, and so can leave out rows.
        decode: whether to decode the pictures as well.

    Raises:
        MissingFile: there is nothing to read.
    """
    problems, dataset = _read(read, name, can_quarantine)
    return Checked(problems, dataset, check_pictures(dataset, decode) if dataset else Problems())


def _read(read: Callable[..., Dataset], name: str, can_quarantine: bool) -> tuple[Problems, Dataset | None]:
    """The problems, and the dataset without the rows concerned, if the reader can leave them out; None if it cannot be read."""
    problems = Problems()
    try:
        dataset = read()
        check_catalogue(dataset)
        return problems, dataset
    except DataProblems as error:
        problems = error.problems
    except DataError as error:
        problems.add(name, [Problem("unusable", name, str(error))])
        return problems, None
    if not can_quarantine:
        return problems, None
    with TemporaryDirectory() as aside:  # the remaining rows are needed for further checks
        try:
            return problems, read(on_error="quarantine", quarantine=aside)
        except DataError as error:
            problems.add(name, [Problem("unusable", name, str(error))])
            return problems, None


def check_pictures(dataset: Dataset, decode: bool) -> Problems:
    """Report pictures that items name but that do not exist or, if `decode`, cannot be decoded; URLs are not requested."""
    problems = Problems()
    for raw in dataset.inputs.values():
        if raw.image_column is not None:
            _check_column(replace(dataset, image_column=raw.image_column), decode, problems)
    return problems


def _check_column(dataset: Dataset, decode: bool, problems: Problems) -> None:
    if dataset.image_column is not None:
        local = dataset.items.filter(~named_by_url(dataset.items, dataset.image_column))
        dataset = replace(dataset, items=local)
    ids = dataset.items[ITEM_ID]
    raw, missing = read_pictures(dataset, ids)
    column = f"items:{dataset.image_column}"

    def place(position: int) -> str:
        return f"item `{ids[position]}`"

    def reason(position: int) -> str:
        try:
            data = raw[position]
            if data is not None:
                decode_picture(data)
        except (OSError, ValueError) as error:
            return " ".join(str(error).split())
        return ""

    if missing:
        problems.add(column, [Problem("missing-picture", place(one.position), one.reason) for one in missing])
    if decode and dataset.image_column is not None:
        with ThreadPoolExecutor() as pool:
            bad = [(position, said) for position, said in enumerate(pool.map(reason, range(len(ids)))) if said]
        if bad:
            problems.add(column, [Problem("unreadable-picture", place(position), said) for position, said in bad])
