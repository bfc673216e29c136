"""MovieLens-1M and Latest Small in archives of the published layout: every value, and where the archive may come from."""

import logging
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from mmrec.cli.train import train
from mmrec.data.sources.grouplens import DoubleColonFile, movielens_1m, movielens_latest_small
from mmrec.data.tables.problems import DataProblems, Problems
from mmrec.errors import DownloadError, MissingFile
from mmrec.files.storage import sha256_file
from mmrec.row_count import RowCount
from mmrec.types import Dataset
from tests.web import Page, Web, serve

ONE_M = {
    "ml-1m/README": b"SUMMARY",
    "ml-1m/ratings.dat": b"1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    "ml-1m/movies.dat": (
        "661::James and the Giant Peach (1996)::Animation|Children's|Musical\n"
        "1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        "73::Misérables, Les (1995)::Drama|Musical\n"
        '2000::Star Trek: 7, "Up" (2) (1999)::Sci-Fi\n'
    ).encode("iso-8859-1"),
    "ml-1m/users.dat": b"1::F::1::10::48067\n2::M::56::16::70072-1234\n",
}
SMALL = {
    "ml-latest-small/ratings.csv": b"userId,movieId,rating,timestamp\r\n1,1,4.5,964982703\r\n2,3,0.5,964981247\r\n",
    "ml-latest-small/movies.csv": (
        b'movieId,title,genres\r\n1,Toy Story (1995),Adventure|Children\r\n'
        b'3,"American President, The (1995)",Comedy\r\n5,Cosmos,(no genres listed)\r\n'
    ),
    "ml-latest-small/links.csv": b"movieId,imdbId,tmdbId\r\n1,0114709,862\r\n5,0081846,\r\n",
    "ml-latest-small/tags.csv": b"userId,movieId,tag,timestamp\r\n2,1,funny,1445714994\r\n",
    "ml-latest-small/README.txt": b"Summary",
}  # fmt: skip
LOADERS = {"ml-1m.zip": (movielens_1m, ONE_M), "ml-latest-small.zip": (movielens_latest_small, SMALL)}


def write(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in content.items():
            archive.writestr(name, raw)
    return path


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with serve() as web:
        for name, (_, content) in LOADERS.items():
            web.pages[f"/{name}"] = Page(write(tmp_path / name, content).read_bytes())
        yield web


def load(web: Web, tmp_path: Path, name: str = "ml-1m.zip", sha256: str | None = "right", **changed: object) -> Dataset:
    sha256 = sha256_file(tmp_path / name) if sha256 == "right" else sha256
    return LOADERS[name][0](str(tmp_path / "cache"), web.url(f"/{name}"), sha256, **{"allow_private": True} | changed)


def test_movielens_1m(web: Web, tmp_path: Path) -> None:
    found = load(web, tmp_path)
    assert found.interactions.columns == ["user_id", "item_id", "rating", "timestamp"]
    assert found.interactions.rows() == [
        ("1", "1193", 5.0, 978300760),
        ("1", "661", 3.0, 978302109),
        ("2", "1193", 4.0, 978298413),
    ]
    assert found.items.columns == ["item_id", "title", "genre", "release_year"]
    assert found.items.rows() == [
        ("661", "James and the Giant Peach", "Animation, Children's, Musical", "1996"),
        ("1193", "One Flew Over the Cuckoo's Nest", "Drama", "1975"),
        ("73", "Misérables, Les", "Drama, Musical", "1995"),
        ("2000", 'Star Trek: 7, "Up" (2)', "Sci-Fi", "1999"),
    ]
    assert found.users is not None
    assert found.users.rows(named=True) == [
        {"user_id": "1", "gender": "F", "age": "under 18", "occupation": "K-12 student", "zip_code": "48067"},
        {"user_id": "2", "gender": "M", "age": "56 and over", "occupation": "self-employed", "zip_code": "70072-1234"},
    ]
    assert found.text_columns == ("title", "genre", "release_year")
    assert found.triples is None
    assert found.notes == ()
    assert found.counts == (RowCount("interactions", 3), RowCount("items", 4), RowCount("users", 2))
    assert (found.name, len(found.content_hash)) == ("movielens_1m", 64)


def test_movielens_latest_small(web: Web, tmp_path: Path) -> None:
    found = load(web, tmp_path, "ml-latest-small.zip")
    assert found.interactions.rows() == [("1", "1", 4.5, 964982703), ("2", "3", 0.5, 964981247)]
    assert found.items.columns == ["item_id", "title", "genre", "release_year", "imdb_id", "tmdb_id"]
    assert found.items.rows() == [
        ("1", "Toy Story", "Adventure, Children", "1995", "0114709", "862"),
        ("3", "American President, The", "Comedy", "1995", None, None),
        ("5", "Cosmos", None, None, "0081846", None),
    ]
    assert found.text_columns == ("title", "genre", "release_year")
    assert found.users is None
    assert [note.partition(":")[0] for note in found.notes] == ["tags.csv is left out"]
    assert not list(tmp_path.rglob("tags.csv"))
    assert found.counts == (RowCount("interactions", 2), RowCount("items", 3))


@pytest.mark.parametrize("name", LOADERS)
def test_it_is_fetched_once_and_the_terms_shown_then(web: Web, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    first = load(web, tmp_path, name)
    assert "do not imply that they endorse you" in (shown := caplog.text) and "10.1145/2827872" in shown
    caplog.clear()
    assert ("do not redistribute it" in shown) == (name == "ml-1m.zip")
    second = load(web, tmp_path, name)
    assert not caplog.messages
    assert first.items.equals(second.items) and first.content_hash == second.content_hash
    assert web.paths() == [f"/{name}"]


def test_another_hash_is_refused(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"expected sha256 {'0' * 64}, found {sha256_file(tmp_path / 'ml-1m.zip')}"):
        load(web, tmp_path, sha256="0" * 64)


def test_without_a_hash_it_says_which_one_it_found(web: Web, tmp_path: Path) -> None:
    found = sha256_file(tmp_path / "ml-1m.zip")
    with pytest.raises(DownloadError, match=rf"no hash is pinned for it, so it is not used; if you trust the file: data\.sha256={found}"):
        load(web, tmp_path, sha256=None)
    assert len(load(web, tmp_path, sha256=found).interactions) == 3
    assert web.paths() == ["/ml-1m.zip"]  # what came was kept


def test_this_machine_is_no_place_to_fetch_from(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not a public internet address"):
        load(web, tmp_path, allow_private=False)


def test_an_archive_that_is_there(web: Web, tmp_path: Path) -> None:
    archive = str(tmp_path / "ml-1m.zip")
    found = load(web, tmp_path, sha256="0" * 64, archive=archive)
    assert found.notes == (f"{archive} has sha256 {sha256_file(Path(archive))}, which differs from that of the known archive ({'0' * 64})",)
    assert load(web, tmp_path, archive=archive).notes == ()
    assert web.asked == []
    with pytest.raises(MissingFile, match=r"did you mean `ml-1m\.zip`"):
        load(web, tmp_path, archive=str(tmp_path / "ml-1m.zi"))


def test_a_changed_archive_is_unpacked_anew(web: Web, tmp_path: Path) -> None:
    archive = tmp_path / "mine.zip"
    for ratings in (b"1::661::3::9\n", b"1::661::4::9\n"):
        write(archive, ONE_M | {"ml-1m/ratings.dat": ratings})
        found = load(web, tmp_path, archive=str(archive))
        assert found.interactions["rating"].to_list() == [float(ratings.split(b"::")[2])]


def test_films_that_only_ratings_name(web: Web, tmp_path: Path) -> None:
    archive = write(tmp_path / "mine.zip", ONE_M | {"ml-1m/ratings.dat": b"1::9999::3::9\n"})
    found = load(web, tmp_path, archive=str(archive))
    assert found.items.row(-1) == ("9999", None, None, None)
    assert found.notes[1:] == ("1 of 5 items only occur in the interactions and have no further information",)


def test_all_that_is_wrong_is_said_at_once(web: Web, tmp_path: Path) -> None:
    archive = write(
        tmp_path / "mine.zip",
        ONE_M
        | {
            "ml-1m/ratings.dat": b"1::661::3::9\n\n1::661::3\n2::661::three::9\n3::661::5::never\n",
            "ml-1m/users.dat": b"1::F::1::10::4::8\n",
        },
    )
    with pytest.raises(DataProblems) as raised:
        load(web, tmp_path, archive=str(archive))
    said = str(raised.value)
    assert "ratings.dat:3: expected 4 fields with `::` between them, found 3: `1::661::3` [wrong-fields]" in said
    assert "ratings.dat:4:rating: expected a number, found `three`" in said
    assert "ratings.dat:5:timestamp: expected a time" in said and "`never`" in said
    assert "users.dat:1: expected 5 fields with `::` between them, found 6" in said
    assert len(raised.value.problems) == 4


def test_blank_lines_and_carriage_returns(tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_bytes(b"a::1\r\n\r\n\r\nb::\r\nc::3\x85\n")
    table = DoubleColonFile(tmp_path / "x.dat", ["name", "number"])
    assert table.scan().collect().rows() == [("a", "1"), ("b", None), ("c", "3\x85")]
    assert table.places([0, 2]) == [f"{tmp_path}/x.dat:1", f"{tmp_path}/x.dat:5"]
    assert table.salvage(Problems()).collect().equals(table.scan().collect())


def test_training_on_an_archive(tmp_path: Path, compose: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = [
        f"{user}::{1 + (7 * user + 3 * n) % 20}::{1 + n % 5}::{978300000 + 60 * n + user}" for user in range(1, 31) for n in range(10)
    ]
    films = [f"{item}::Film {item} ({1950 + item})::{'Drama' if item % 2 else 'Comedy|Musical'}" for item in range(1, 21)]
    users = [f"{user}::{'FM'[user % 2]}::25::{user % 21}::0000{user % 10}" for user in range(1, 31)]
    content = {
        f"ml-1m/{stem}.dat": "\n".join(lines).encode() for stem, lines in [("ratings", ratings), ("movies", films), ("users", users)]
    }
    archive = write(tmp_path / "ml-1m.zip", content)
    monkeypatch.chdir(tmp_path)
    run_dir = train(
        compose(
            "data=movielens_1m",
            f"data.archive={archive}",
            "trainer.max_epochs=1",
            "trainer.enable_progress_bar=false",
            "baselines=none",
            "evidence.text=false",
            "logger=local",
            "~logger.tensorboard",
            f"paths.cache={tmp_path / 'cache'}",
            f"paths.runs={tmp_path / 'runs'}",
        )
    )
    parts = [pl.read_parquet(run_dir / f"split/{part}.parquet") for part in ("train", "valid", "test")]
    assert sum(map(len, parts)) == 300
    assert f"sha256 {sha256_file(archive)}" in (run_dir / "run.json").read_text()
