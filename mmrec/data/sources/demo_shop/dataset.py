"""A synthetic shop with known ground truth, written as an ordinary dataset folder.

Each part of a user's taste concerns attributes that only one kind of evidence reveals: colour, pattern and shape appear only in the
pictures; style, use and occasion only in the descriptions; designer, parent category and material property only in the graph, two hops
from the item; a common quality and hidden tastes only in the interactions (see `mmrec.data.sources.demo_shop.world`). A test can therefore
check whether a model uses each kind of evidence, and how far its ranking is from the best possible one.

`impressions.parquet` has what users were shown in the last period and whether they clicked (`mmrec.data.sources.demo_shop.impressions`):
`task=click` learns from it instead of the interactions.

Besides the tables of any dataset folder there are `truth.safetensors` and `truth.json`, which no model may read. The items' column
`caption` describes the picture: it serves to pretrain image encoders on image-text pairs and is not one of the text columns.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import safetensors.torch
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from mmrec.data.folder.read import read_folder
from mmrec.data.sources.demo_shop import impressions as impressions_module
from mmrec.data.sources.demo_shop import world as world_module
from mmrec.data.sources.demo_shop.impressions import Impressions, position_effect, show
from mmrec.data.sources.demo_shop.interests import Interests
from mmrec.data.sources.demo_shop.pictures import draw_picture, write_caption
from mmrec.data.sources.demo_shop.queries import QUERIES_PER_INTERACTION, draw_queries
from mmrec.data.sources.demo_shop.texts import write_description, write_title
from mmrec.data.sources.demo_shop.world import GROUPS, N_PERIODS, SHARES, VALUES, Log, World, draw_world, examination, simulate
from mmrec.errors import ConfigError, MissingFile
from mmrec.files.locate import cache_folder
from mmrec.files.storage import sha256_text, write_folder, write_json, write_parquet, write_tensors
from mmrec.types import (
    ENTITY,
    HEAD,
    IMAGE,
    ITEM_ID,
    KG,
    LABEL,
    POSITION,
    PROPENSITY,
    RATING,
    RELATION,
    TAIL,
    TEXT,
    TIMESTAMP,
    USER_ID,
    Dataset,
)

VERSION = 3
"""Version of the generator, part of the cache key. Increase it with every change of what is generated."""
TEXT_COLUMNS, IMAGE_COLUMN = ["title", "description"], "image"
ABSENT_SHARE = {IMAGE: 0.05, TEXT: 0.04, KG: 0.06}
"""Share of the items that have no picture, no text, and no entity in the graph, respectively."""
TRUTH_TENSORS, TRUTH_INFO = "truth.safetensors", "truth.json"
N_PLACES = 10
IMPRESSIONS = "impressions.parquet"
_QUERY_STREAM, _INTEREST_STREAM = 0x71756572, 0x696E7472
_CONSTANTS = ("SLATE_SIZE", "CHOICE_SHARPNESS", "POPULARITY_EXPONENT", "TASTE_MEMORY", "N_PERIODS", "PERIOD_SECONDS", "START")
_CONSTANTS_OF_IMPRESSIONS = ("LIST_SIZE", "CLICK_SHARPNESS", "CLICK_BIAS", "SORTING_NOISE")
_HOPS = (("made_by", "brand", "designed_by"), ("in_category", "category", "part_of"), ("made_of", "material", "has_property"))
"""For each attribute group of the graph: relation from the item, kind of entity one hop away, relation from there to the attribute."""


def demo_shop(
    cache: str | None = None,
    n_users: int = 3_000,
    n_items: int = 2_400,
    n_interactions: int = 40_000,
    impressions_per_user: int = 200,
    seed: int = 7,
    half_life_days: list[float] | None = None,
) -> Dataset:
    """Generate the synthetic shop under `cache/demo_shop/`, or read it from there if it exists.

    Args:
        cache: folder for data that can be regenerated; None: see `mmrec.files.locate.cache_folder`.
        n_users: number of users, at least 20.
        n_items: number of items, at least 60.
        n_interactions: number of interactions, at least five per user. No user interacts with an item twice, or with more than a third
            of the items.
        impressions_per_user: the mean number of impressions of a user, at least 10; no user has more than a third of the items, or fewer
            than 10. Interactions, texts and pictures do not depend on it.
        seed: random seed; the same arguments produce the same bytes.
        half_life_days: half-lives of interests, one for each of some groups of users, which are drawn at random; users then have a column
            `pace` with their group, items a column `use`, and choices come in sessions. None: tastes do not depend on what was chosen.

    Returns:
        The dataset, named `demo_shop`.

    Raises:
        ConfigError: a size is out of range.
    """
    _check_sizes(n_users, n_items, n_interactions, impressions_per_user)
    sizes = {"n_users": n_users, "n_items": n_items, "n_interactions": n_interactions, "impressions_per_user": impressions_per_user}
    planted = [] if half_life_days is None else [f"half_life_days={half_life_days}"]
    key = sha256_text(*(str(value) for value in (VERSION, *sizes.values(), seed, *planted)))[:16]
    folder = cache_folder(cache) / "demo_shop" / key
    if not folder.is_dir():
        _make(folder, sizes | {"seed": seed}, half_life_days)
    dataset = read_folder(str(folder), text_columns=TEXT_COLUMNS, image_column=IMAGE_COLUMN)
    notes = tuple(note for note in dataset.notes if IMPRESSIONS not in note)  # that it was not read
    return replace(dataset, name="demo_shop", impressions=pl.read_parquet(folder / IMPRESSIONS, glob=False), notes=notes)


def load_truth(dataset: Dataset) -> dict[str, Tensor]:
    """Return the ground truth of the synthetic shop: tensors by name, described in `load_truth_info(dataset)["tensors"]`.

    Rows of users and items follow `user_ids` and `item_ids` of `load_truth_info`; rows of events follow `dataset.interactions`.
    Among the tensors are `utility` and `utility_<part>` `(n_users, n_items)` at the end of the log, `event_propensity` `(n,)` and
    `attribute_<group>` `(n_items,)`; those named `impression_…` follow `dataset.impressions`.

    Raises:
        MissingFile: the dataset is not the synthetic shop.
    """
    return safetensors.torch.load_file(_truth_file(dataset, TRUTH_TENSORS))


def load_truth_info(dataset: Dataset) -> dict[str, Any]:
    """Return the description of the ground truth.

    Returns:
        A dictionary with `user_ids`, `item_ids`, `shares` (of the variance of utility, by part), `values` (by attribute group),
        `constants` of the simulation and `tensors` (the meaning of each tensor of `load_truth`).

    Raises:
        MissingFile: the dataset is not the synthetic shop.
    """
    return cast("dict[str, Any]", json.loads(_truth_file(dataset, TRUTH_INFO).read_text(encoding="utf-8")))


@dataclass(frozen=True)
class _Shop:
    """The latent world, its log, and the share of both that the dataset shows."""

    world: World
    log: Log
    impressions: Impressions
    present: dict[str, Bool[np.ndarray, " n_items"]]
    """Mask of the items that have a picture, a text or an entity; keys `image`, `text` and `kg`."""
    user_ids: list[str]
    item_ids: list[str]
    paces: list[str] | None = None
    """The group of each user whose interests have the same half-life; None if interests do not decay."""

    def names(self, group: str) -> list[str]:
        """Return the name of every item's value of an attribute group."""
        return [VALUES[group][value] for value in self.world.attributes[group]]


def _check_sizes(n_users: int, n_items: int, n_interactions: int, impressions_per_user: int) -> None:
    of_list = impressions_module.LIST_SIZE
    for key, value, least in (("n_users", n_users, 20), ("n_items", n_items, 60), ("impressions_per_user", impressions_per_user, of_list)):
        if value < least:
            raise ConfigError(f"data.{key}: expected at least {least}, found {value}")
    most = n_users * (n_items // 3) // 2
    if not 5 * n_users <= n_interactions <= most:
        raise ConfigError(
            f"data.n_interactions: expected {5 * n_users} to {most} for {n_users} users and {n_items} items "
            f"(5 a user, to half of what they could choose), found {n_interactions}"
        )


def _make(folder: Path, arguments: dict[str, int], half_life_days: list[float] | None) -> None:
    """Generate the folder under a temporary name and move it into place, so that a folder that exists is complete."""
    streams = np.random.SeedSequence(arguments["seed"]).spawn(6)
    world_rng, log_rng, shown_rng, text_rng, picture_rng, click_rng = (np.random.default_rng(stream) for stream in streams)
    n_users, n_items = arguments["n_users"], arguments["n_items"]
    world = draw_world(n_users, n_items, world_rng)
    interests = None
    if half_life_days is not None:
        interest_rng = np.random.default_rng([arguments["seed"], _INTEREST_STREAM])
        interests = Interests(half_life_days, world.attributes["use"], n_users, interest_rng)
    log = simulate(world, arguments["n_interactions"], log_rng, interests)
    present = {part: _draw_present(n_items, share, shown_rng) for part, share in ABSENT_SHARE.items()}
    impressions = show(world, log, arguments["impressions_per_user"], click_rng)
    paces = None if interests is None else [f"pace-{group}" for group in interests.group]
    shop = _Shop(world, log, impressions, present, _ids("u", n_users), _ids("i", n_items), paces)

    def write(temporary: Path) -> None:
        (temporary / "images").mkdir()
        _write_tables(temporary, shop, text_rng, shown_rng)
        _write_pictures(temporary, shop, picture_rng)
        _write_queries(temporary, shop, arguments)
        _write_truth(temporary, shop, arguments | ({} if half_life_days is None else {"half_life_days": half_life_days}))

    try:
        write_folder(folder, write)
    except OSError:
        if not folder.is_dir():  # another process generated the same folder, with the same bytes
            raise


def _ids(prefix: str, n: int) -> list[str]:
    return [f"{prefix}{i:05d}" for i in range(n)]


def _draw_present(n_items: int, absent_share: float, rng: np.random.Generator) -> Bool[np.ndarray, " n_items"]:
    return rng.permutation(n_items) >= max(1, round(absent_share * n_items))


def _write_tables(folder: Path, shop: _Shop, text_rng: np.random.Generator, rng: np.random.Generator) -> None:
    _interactions(shop).write_csv(folder / "interactions.csv")
    _items(shop, text_rng).write_ndjson(folder / "items.jsonl")
    write_parquet(folder / IMPRESSIONS, _impressions(shop))
    triples, item_entities = _graph(shop, rng)
    triples.write_csv(folder / "triples.csv")
    item_entities.write_csv(folder / "item_entities.csv")
    # Independent of taste: a user attribute that carries no information.
    places = [f"place-{place}" for place in rng.integers(N_PLACES, size=len(shop.user_ids))]
    paces = {} if shop.paces is None else {"pace": shop.paces}
    pl.DataFrame({USER_ID: shop.user_ids, "place": places} | paces).write_csv(folder / "users.csv")


def _interactions(shop: _Shop) -> pl.DataFrame:
    log = shop.log
    return pl.DataFrame(_of_ids(shop, log) | {TIMESTAMP: log.timestamp, RATING: log.rating})


def _impressions(shop: _Shop) -> pl.DataFrame:
    shown = shop.impressions
    label = pl.Series(shown.clicked).cast(pl.Int64)
    columns = {TIMESTAMP: shown.timestamp, POSITION: shown.position, LABEL: label, PROPENSITY: shown.propensity}
    return pl.DataFrame(_of_ids(shop, shown) | columns)


def _of_ids(shop: _Shop, rows: Log | Impressions) -> dict[str, Any]:
    pairs = {USER_ID: (shop.user_ids, rows.user_idx), ITEM_ID: (shop.item_ids, rows.item_idx)}
    return {name: pl.Series(ids).gather(idx) for name, (ids, idx) in pairs.items()}


def _items(shop: _Shop, rng: np.random.Generator) -> pl.DataFrame:
    attributes = {group: shop.names(group) for part in (TEXT, IMAGE) for group in GROUPS[part]}
    rows = []
    for i, item_id in enumerate(shop.item_ids):
        # Texts are drawn for every item, shown or not, so that leaving one out does not change the random numbers of the others.
        style, use, occasion = (attributes[group][i] for group in GROUPS[TEXT])
        title, description = write_title(rng), write_description(style, use, occasion, rng)
        colour, pattern, shape = (attributes[group][i] for group in GROUPS[IMAGE])
        caption = write_caption(colour, pattern, shape, rng)
        text, image, graph = (bool(shop.present[part][i]) for part in (TEXT, IMAGE, KG))
        rows.append(
            {
                ITEM_ID: item_id,
                "title": title if text else "",
                "description": description if text else "",
                "brand": f"brand-{shop.world.links['brand'][i]:03d}" if graph else None,
                "price": round(float(rng.lognormal(3.5, 0.6)), 2),
                IMAGE_COLUMN: _picture_path(item_id) if image else None,
                "caption": caption if image else None,
            }
        )
    items = pl.DataFrame(rows)
    return items if shop.paces is None else items.with_columns(use=pl.Series(attributes["use"]))


def _graph(shop: _Shop, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the triples and the items' entities. Brands, categories and materials also have a place, which is independent of taste."""
    items = np.flatnonzero(shop.present[KG])
    triples = []
    for (relation, kind, next_relation), group in zip(_HOPS, GROUPS[KG], strict=True):
        triples += [(f"product/{i:05d}", relation, f"{kind}-{shop.world.links[kind][i]:03d}") for i in items]
        for link, owner in enumerate(shop.world.owners[kind]):
            triples.append((f"{kind}-{link:03d}", next_relation, f"{group}-{VALUES[group][owner]}"))
            triples.append((f"{kind}-{link:03d}", "comes_from", f"place-{rng.integers(N_PLACES)}"))
    entities = pl.DataFrame({ITEM_ID: [shop.item_ids[i] for i in items], ENTITY: [f"product/{i:05d}" for i in items]})
    return pl.DataFrame(triples, schema=[HEAD, RELATION, TAIL], orient="row"), entities


def _write_queries(folder: Path, shop: _Shop, arguments: dict[str, int]) -> None:
    """Write queries.csv, from random numbers of its own, so that all other files are the same with and without it."""
    rng = np.random.default_rng([arguments["seed"], _QUERY_STREAM])
    n = round(QUERIES_PER_INTERACTION * arguments["n_interactions"])
    draw_queries(shop.world, shop.user_ids, shop.item_ids, n, rng).write_csv(folder / "queries.csv")


def _picture_path(item_id: str) -> str:
    return f"images/{item_id}.jpg"


def _write_pictures(folder: Path, shop: _Shop, rng: np.random.Generator) -> None:
    looks = zip(*map(shop.names, GROUPS[IMAGE]), strict=True)
    for item_id, present, (colour, pattern, shape) in zip(shop.item_ids, shop.present[IMAGE], looks, strict=True):
        pixels = draw_picture(colour, pattern, shape, rng)
        if present:
            Image.fromarray(pixels).save(folder / _picture_path(item_id), quality=88)


def _write_truth(folder: Path, shop: _Shop, arguments: dict[str, Any]) -> None:
    truth = _truth(shop)
    write_tensors(folder / TRUTH_TENSORS, {name: torch.from_numpy(np.ascontiguousarray(values)) for name, (values, _) in truth.items()})
    info = {
        "version": VERSION,
        "arguments": arguments,
        "shares": SHARES,
        "values": VALUES,
        "constants": {name.lower(): getattr(world_module, name) for name in _CONSTANTS}
        | {name.lower(): getattr(impressions_module, name) for name in _CONSTANTS_OF_IMPRESSIONS},
        "tensors": {name: meaning for name, (_, meaning) in truth.items()},
        "user_ids": shop.user_ids,
        "item_ids": shop.item_ids,
    }
    write_json(folder / TRUTH_INFO, info)


def _truth(shop: _Shop) -> dict[str, tuple[np.ndarray, str]]:
    """Return every tensor of the ground truth with its description."""
    world, log = shop.world, shop.log
    parts = {part: world.utility(part, N_PERIODS - 1) for part in SHARES}
    total = cast("np.ndarray", sum(parts.values()))
    truth = {"utility": (total, "(n_users, n_items) utility in the last period: the sum of its parts")}
    for part, values in parts.items():
        truth[f"utility_{part}"] = (values, f"(n_users, n_items) the part of utility in the last period that only {part} evidence shows")
        truth[f"taste_{part}"] = (
            world.tastes[part],
            "(n_periods, n_users, dim): the part's utility in a period is sqrt(share) * taste @ factor.T",
        )
        truth[f"factor_{part}"] = (world.factors[part], "(n_items, dim) see taste")
    for group, values in world.attributes.items():
        truth[f"attribute_{group}"] = (values, "(n_items,) position of the item's value in values")
    for part, values in shop.present.items():
        truth[f"present_{part}"] = (values, "(n_items,) whether the dataset shows this evidence; utility counts the part either way")
    return truth | {
        "launch_period": (world.launch_period, "(n_items,) period from which the policy may show the item; n_periods: after the log ends"),
        "event_propensity": (log.propensity, "(n,) probability that the chosen item stood on that user's slate at that visit"),
        "event_slot": (log.slot, "(n,) slot of the slate at which the chosen item stood, from 0"),
        "policy": (log.policy, "(n_periods, n_items) probability that a slot is filled with the item, for a user who has nothing yet"),
        "impression_probability": (shop.impressions.probability, "(n,) probability of the click on each row of the impressions"),
        "position_effect": (position_effect(), "(list_size,) what each position of a list adds to the log odds of a click"),
        "examination": (examination(), "(slate_size,) factor on the odds of choosing what stands in a slot"),
    }


def _truth_file(dataset: Dataset, name: str) -> Path:
    path = dataset.root / name
    if not path.is_file():
        raise MissingFile(f"{path}: expected the truth of the generated shop (data=demo_shop); dataset `{dataset.name}` has none")
    return path
