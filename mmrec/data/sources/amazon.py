"""Read the Amazon reviews and products of one category, in the file formats of the McAuley Lab's releases of 2018 and 2023.

2018: Ni, Li and McAuley, "Justifying Recommendations using Distantly-Labeled Reviews and Fine-Grained Aspects", EMNLP 2019.
2023: Hou et al., "Bridging Language and Items for Retrieval and Recommendation", arXiv:2403.03952, 2024.

A review is an interaction with a rating. Review texts, average ratings, numbers of ratings and sales ranks are not used: they include
information from the time of held-out reviews.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mmrec.data.folder.read import check_alignment, complete_items, hash_files
from mmrec.data.interactions.k_core import k_core as core_of
from mmrec.data.tables.columns import Column, read_table
from mmrec.data.tables.formats import JsonLinesFile
from mmrec.data.tables.problems import Problems
from mmrec.errors import ConfigError, DataError, nearest
from mmrec.files.download import download_pinned
from mmrec.files.locate import missing_file, user_path
from mmrec.row_count import RowCount
from mmrec.types import HEAD, ITEM_ID, RATING, RELATION, TAIL, TIMESTAMP, USER_ID, Dataset, Hosts

TERMS = """\
Amazon's reviews were collected by the McAuley Lab at UC San Diego. They are for research; reviews, texts and pictures belong to their
authors and to Amazon. Cite, for 2018: Jianmo Ni, Jiacheng Li, Julian McAuley. 2019. Justifying Recommendations using Distantly-Labeled
Reviews and Fine-Grained Aspects. EMNLP. For 2023: Yupeng Hou, Jiacheng Li, Zhankui He, An Yan, Xiusi Chen, Julian McAuley. 2024. Bridging
Language and Items for Retrieval and Recommendation. arXiv:2403.03952."""

MAX_BYTES = 2**36
"""The limit per file; the largest has about 30 GB."""
REVISION = "2b6d039ed471f2ba5fd2acb718bf33b0a7e5598e"
RELATIONS = ("category", "brand", "also_buy", "also_view")
_BETWEEN_PRODUCTS = ("also_buy", "also_view")
_TITLE, _BRAND, _CATEGORY, _FEATURES, _DESCRIPTION, _IMAGE = "title", "brand", "category", "features", "description", "image"
_TEXTS = (_TITLE, _BRAND, _CATEGORY, _FEATURES, _DESCRIPTION)
_LIST = pl.List(pl.String)
_SCRIPT = "getTime"
"""Marks titles of 2018 that contain JavaScript of the page; the lab's own examples filter by it as well."""
_TAG = r"</?[A-Za-z][^<>]*>"


@dataclass(frozen=True)
class Files:
    """The origin of the two files of a category."""

    folder: str | None = None
    """A folder with the files, compressed or not. None: they are downloaded."""
    base_url: str | None = None
    """A mirror with the same folders and files as the original."""
    reviews_sha256: str | None = None
    """Hashes are required for 2018 and with `base_url`; the files of 2023 are pinned by their revision."""
    products_sha256: str | None = None


@dataclass(frozen=True)
class _Layout:
    """The file names and columns of a release."""

    base_url: str
    revision_hosts: tuple[str, ...] | None
    core_reviews: str | None
    """The reviews of users and products with at least five of them."""
    reviews: str
    products: str
    names: dict[str, str]
    """Our names of review columns to theirs."""
    product_id: str
    schema: dict[str, pl.DataType | type[pl.DataType]]
    """The product columns that are used."""
    columns: dict[str, pl.Expr]
    """Expressions for our product columns; lists of texts remain lists."""

    def review_places(self, k: int) -> list[str]:
        """The paths of review files that contain the k-core, the preferred one first."""
        return [self.core_reviews, self.reviews] if self.core_reviews and k >= 5 else [self.reviews]


_LAYOUTS = {
    2018: _Layout(
        base_url="https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2",
        revision_hosts=None,
        core_reviews="categoryFilesSmall/{}_5.json.gz",
        reviews="categoryFiles/{}.json.gz",
        products="metaFiles2/meta_{}.json.gz",
        names={USER_ID: "reviewerID", ITEM_ID: "asin", RATING: "overall", TIMESTAMP: "unixReviewTime"},
        product_id="asin",
        schema={
            "asin": pl.String,
            "title": pl.String,
            "brand": pl.String,
            **dict.fromkeys(("description", "feature", "category", "also_buy", "also_view", "imageURLHighRes"), _LIST),
        },
        columns={
            _TITLE: pl.when(~pl.col("title").str.contains(_SCRIPT, literal=True)).then("title"),
            _BRAND: pl.col("brand"),
            _CATEGORY: pl.col("category"),
            _FEATURES: pl.col("feature"),
            _DESCRIPTION: pl.col("description"),
            _IMAGE: pl.col("imageURLHighRes").list.first(),
            "also_buy": pl.col("also_buy"),
            "also_view": pl.col("also_view"),
        },
    ),
    2023: _Layout(
        base_url=f"https://huggingface.co/datasets/McAuley-Lab/Amazon-Reviews-2023/resolve/{REVISION}/raw",
        revision_hosts=("*.huggingface.co", "*.hf.co"),
        core_reviews=None,
        reviews="review_categories/{}.jsonl",
        products="meta_categories/meta_{}.jsonl",
        names={USER_ID: "user_id", ITEM_ID: "parent_asin", RATING: "rating", TIMESTAMP: "timestamp"},
        product_id="parent_asin",
        schema={
            "parent_asin": pl.String,
            "title": pl.String,
            "store": pl.String,
            "details": pl.Struct({"Brand": pl.String}),
            **dict.fromkeys(("description", "features", "categories"), _LIST),
            "images": pl.List(pl.Struct({"large": pl.String, "hi_res": pl.String})),
        },
        columns={
            _TITLE: pl.col("title"),
            _BRAND: pl.coalesce(pl.col("details").struct.field("Brand"), "store"),
            _CATEGORY: pl.col("categories"),
            _FEATURES: pl.col("features"),
            _DESCRIPTION: pl.col("description"),
            _IMAGE: pl.col("images").list.first().struct.field("large"),
        },
    ),
}


def amazon_reviews(
    category: str,
    cache: str,
    year: int = 2023,
    k_core: int = 5,
    relations: Sequence[str] = ("category", "brand"),
    files: Files = Files(),
    allow_hosts: list[str] | None = None,
    allow_private: bool = False,
) -> Dataset:
    """Read the reviews of a category as ratings, and its products with texts, a picture URL and a graph.

    Args:
        category: the name in the files: `All_Beauty`, `Video_Games`, …
        cache: the folder for downloads.
        year: the release: 2018 or 2023.
        k_core: the smallest number of distinct products per user and users per product that remain; 0: all reviews are used. From 5 on, the
            smaller review file of 2018 is used, which contains the 5-core.
        relations: the relations of triples: `category`, `brand` and, in 2018, `also_buy` and `also_view`. The latter are aggregated over
            all time and leak held-out interactions; `mmrec.data.interactions.leakage` adds a note.
        files: the origin of the two files, and their hashes.
        allow_hosts: hosts from which pictures may be downloaded.
        allow_private: whether `files.base_url` and `allow_hosts` may be on this machine or its local network.

    Raises:
        ConfigError: an argument is invalid.
        MissingFile, DownloadError: a file is not in `files.folder`, cannot be downloaded or is not pinned by a hash.
        DataProblems, DataError: a file cannot be read, or no reviews are left.
    """
    layout = _check(category, year, relations)
    if files.folder is None:
        target = user_path(cache) / "downloads" / f"amazon_{year}"
        reviews, products = _fetch(layout, category, k_core, target, files, allow_private)
    else:
        reviews, products = _find(layout, category, k_core, user_path(files.folder))
    interactions, review_count, notes = _read_reviews(reviews, layout, k_core)
    listed, product_count = _read_products(products, layout, interactions[ITEM_ID].unique())
    triples = _triples(listed, relations)
    plain = listed.select(ITEM_ID, _IMAGE, *(_as_text(listed[name]) for name in _TEXTS))
    items, unknown = complete_items(plain, interactions)
    notes += unknown + (() if triples is None else check_alignment(items, triples, None, products))
    return Dataset(
        name=f"amazon_{year}_{category}",
        root=products.parent,
        interactions=interactions,
        items=items,
        text_columns=_TEXTS,
        image_column=_IMAGE,
        hosts=Hosts(tuple(allow_hosts or ()), allow_private),
        triples=triples,
        counts=(review_count, product_count),
        content_hash=hash_files([reviews, products]),
        notes=notes,
    )


def _check(category: str, year: int, relations: Sequence[str]) -> _Layout:
    if not re.fullmatch(r"[A-Za-z0-9_]+", category):
        raise ConfigError(f"data.category: expected a name as the files have it, like All_Beauty, found `{category}`")
    if year not in _LAYOUTS:
        raise ConfigError(f"data.year: expected 2018 or 2023, found `{year}`")
    known = [name for name in RELATIONS if name in _LAYOUTS[year].columns]
    for name in relations:
        if name not in known:
            raise ConfigError(f"data.relations: the products of {year} have no `{name}`; {nearest(name, known)}")
    return _LAYOUTS[year]


def _fetch(layout: _Layout, category: str, k: int, folder: Path, files: Files, allow_private: bool) -> list[Path]:
    """Download the two files unless they exist."""
    base, hosts = (layout.base_url, layout.revision_hosts) if files.base_url is None else (files.base_url.rstrip("/"), None)
    wanted = (("reviews", layout.review_places(k)[0], files.reviews_sha256), ("products", layout.products, files.products_sha256))
    return [
        download_pinned(
            f"{base}/{place.format(category)}", folder, sha256, f"data.files.{kind}_sha256", TERMS, MAX_BYTES, allow_private, hosts
        )
        for kind, place, sha256 in wanted
    ]


def _find(layout: _Layout, category: str, k: int, folder: Path) -> list[Path]:
    """Locate the two files in a folder, compressed or not."""
    found = []
    for places in (layout.review_places(k), [layout.products]):
        names = [Path(place.format(category)).name.removesuffix(".gz") for place in places]
        files = [file for name in names for file in (folder / name, folder / f"{name}.gz") if file.is_file()]
        if not files:
            raise missing_file(folder / f"{names[0]}.gz")
        found.append(files[0])
    return found


def _read_reviews(path: Path, layout: _Layout, k: int) -> tuple[pl.DataFrame, RowCount, tuple[str, ...]]:
    problems = Problems()
    file = JsonLinesFile(path, dict.fromkeys(layout.names.values(), pl.String))
    columns = (Column(USER_ID, "id"), Column(ITEM_ID, "id"), Column(RATING, "number"), Column(TIMESTAMP, "seconds"))
    table = read_table(file, columns, problems, layout.names)
    problems.raise_any()
    kept = core_of(table.frame, k, k) if k > 1 else table.frame
    if kept.is_empty():
        raise DataError(f"{path}: none of {table.n_read:,} reviews is left where users and products have at least {k}; lower data.k_core")
    n_out = table.n_read - len(kept)
    note = (
        f"{path.name}: {n_out:,} of {table.n_read:,} reviews are left out: a user or a product of theirs has fewer than {k} (data.k_core)"
    )
    return kept, RowCount("interactions", table.n_read, n_filtered=n_out), table.notes + ((note,) if n_out else ())


def _read_products(path: Path, layout: _Layout, item_ids: pl.Series) -> tuple[pl.DataFrame, RowCount]:
    """Read the products with the given ids, the first occurrence of each; lists of texts remain lists."""
    problems = Problems()
    file, known = JsonLinesFile(path, layout.schema), pl.col(layout.product_id)
    chosen = [known.alias(ITEM_ID), *(column.alias(name) for name, column in layout.columns.items())]

    def read(raw: pl.LazyFrame) -> list[pl.DataFrame]:
        wanted = raw.filter(known.is_in(item_ids.implode())).select(chosen)
        return pl.collect_all([wanted, raw.select(pl.len())], engine="streaming")

    try:
        found, length = read(file.scan())
    except pl.exceptions.PolarsError:
        salvaged = file.salvage(problems)
        problems.raise_any()
        found, length = read(salvaged)
    once = found.unique(ITEM_ID, keep="first", maintain_order=True)
    n_in = int(length.item())
    return once, RowCount("items", n_in, n_deduplicated=len(found) - len(once), n_filtered=n_in - len(found))


def _triples(products: pl.DataFrame, relations: Sequence[str]) -> pl.DataFrame | None:
    """Build triples whose head is a product and whose tail is a product or a value prefixed by its kind, `brand:Sony`."""
    tables = []
    for name in relations:
        tails = products.select(pl.col(ITEM_ID).alias(HEAD), pl.lit(name).alias(RELATION), pl.col(name).alias(TAIL))
        if products.schema[name] == _LIST:
            tails = tails.explode(TAIL)
        if name not in _BETWEEN_PRODUCTS:
            tails = tails.with_columns(_clean(tails[TAIL])).with_columns((f"{name}:" + pl.col(TAIL)).alias(TAIL))
        tables.append(tails.drop_nulls().unique(maintain_order=True))
    found = pl.concat(tables) if tables else pl.DataFrame()
    return found if len(found) else None


def _as_text(values: pl.Series) -> pl.Series:
    """Join lists and clean the text."""
    if values.dtype == _LIST:
        values = values.list.join(", " if values.name == _CATEGORY else " ", ignore_nulls=True)
    return _clean(values)


def _clean(values: pl.Series) -> pl.Series:
    """Convert HTML to plain text: no tags, entities such as `&amp;` decoded, single spaces; null for an empty result."""
    bare = values.str.replace_all(_TAG, " ")
    plain = pl.Series(values.name, [None if text is None else html.unescape(text) for text in bare], pl.String)
    return plain.str.replace_all(r"\s+", " ").str.strip_chars().replace("", None)
