"""Text that is not UTF-8: which encoding files are taken for, what becomes of odd bytes, and that nothing of it goes unsaid."""

from pathlib import Path

import pytest

from mmrec.data.folder.read import read_folder
from mmrec.data.tables.delimited.encoding import TextEncoding, check_encoding
from mmrec.data.tables.problems import DataProblems
from mmrec.errors import ConfigError, DataError

WESTERN = "Señor Niño|Crème brûlée|gâteau de Noël|Müller Straße|größer|blå bok|två äpplen|mañana|corazón|où, déjà vu|à la carte|hôtel"
POLISH = "Zażółć gęślą jaźń|łóżko|książka|świat|miłość|ręka|żółty|krzesło|stół|drewniany|światło|zielony dąb|źródło"
CZECH = "Příliš žluťoučký kůň|úpěl ďábelské ódy|kniha o městě|řeka|dům|večeře|žena|děti|světlo|židle|stůl"
RUSSIAN = "Война и мир|книга|красный стул|стол|деревянный дом|лампа|зелёный диван"
JAPANESE = "戦争と平和|赤い椅子|本|テーブル|日本|緑のソファ|木の家|ランプ"


def shop(folder: Path, items: bytes, interactions: bytes = b"user_id,item_id\nu1,i0\nu2,i1\n", name: str = "items.csv") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "interactions.csv").write_bytes(interactions)
    (folder / name).write_bytes(items)
    return str(folder)


def titled(text: str, encoding: str) -> bytes:
    return "".join(["item_id,title\n", *(f'i{n},"{title}"\n' for n, title in enumerate(text.split("|")))]).encode(encoding)


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        *((WESTERN, encoding, "cp1252") for encoding in ("iso-8859-1", "cp1252", "iso-8859-15")),
        *(("Señor Niño|Crème brûlée", encoding, "cp1252") for encoding in ("iso-8859-1", "cp1252")),
        ("pöytä|hyvää yötä|perché più|São Paulo coração|iPhone® 5°|Levi’s® – ½ m²|20 µm|€ 5", "cp1252", "cp1252"),
        (POLISH, "cp1250", "cp1250"),
        (CZECH, "cp1250", "cp1250"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8-r", "koi8_r"),
        (JAPANESE, "shift_jis", "cp932"),
    ],
)
def test_files_that_are_not_utf8_are_western_unless_that_cannot_be(tmp_path: Path, text: str, encoding: str, guess: str) -> None:
    dataset = read_folder(shop(tmp_path / "shop", titled(text, encoding)))
    assert dataset.items["title"].to_list()[: text.count("|") + 1] == text.split("|")
    (note,) = [note for note in dataset.notes if "was read as" in note]
    odd = next(title for title in text.split("|") if not title.isascii())
    assert f"items.csv was read as {guess}: `{odd.partition(',')[0]}` in line 2; set data.encoding= for another encoding" in note


@pytest.mark.parametrize("name", ["items.csv", "items.jsonl"])
def test_a_few_bytes_that_are_not_utf8_are_bad_rows(tmp_path: Path, name: str) -> None:
    rows = [("café-1", "Café noir"), ("café-2", "Café crème"), ("thé-3", "Thé vert"), ("eau-4", "Eau")]
    csv, json = "{},{}\n", '{{"item_id": "{}", "title": "{}"}}\n'
    lines = [(csv if name.endswith("csv") else json).format(*row) for row in rows]
    text = "".join(["item_id,title\n" if name.endswith("csv") else "\n", *lines]).encode().replace("Thé v".encode(), b"Th\xe9 v")
    folder = shop(tmp_path / "shop", text, "user_id,item_id\nu1,café-1\nu2,café-2\n".encode(), name)
    with pytest.raises(DataProblems, match=rf"{name}:4: expected one encoding throughout .*found 0xE9 in `.*Th\\xe9 vert.*`") as stopped:
        read_folder(folder)
    assert [one.code for one in stopped.value.problems.shown] == ["odd-bytes"]
    dataset = read_folder(folder, on_error="quarantine", quarantine=str(tmp_path / "aside"))
    assert dataset.items["item_id"].to_list() == ["café-1", "café-2", "eau-4"]
    assert "Th\\\\xe9 vert" in next((tmp_path / "aside").rglob("items.jsonl")).read_text(encoding="utf-8")


def test_a_header_of_odd_bytes(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", "item_id,été\ni0,x\ni1,y\n".encode("cp1252"))
    assert read_folder(folder).items.columns == ["item_id", "été"]
    shop(tmp_path / "shop", "item_id,é,".encode() + b"\xe9\n" + "i0,é,é\n".encode())
    with pytest.raises(DataError, match=r"items.csv:1: expected one encoding throughout .*found 0xE9"):
        read_folder(folder)


def test_one_encoding_for_all_files_of_a_folder(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", titled(POLISH, "cp1250"), "user_id,item_id\nłoś,i0\nu2,i1\n".encode("cp1250"))
    dataset = read_folder(folder)
    assert dataset.interactions["user_id"].to_list() == ["łoś", "u2"]  # three bytes would not tell


def test_utf8_beside_another_encoding_joins(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", "item_id,title\ncafé-1,Café\nx,y\n".encode("cp1252"), "user_id,item_id\nu1,café-1\nu2,x\n".encode())
    assert read_folder(folder).items["item_id"].to_list() == ["café-1", "x"]


def test_ids_that_no_longer_join_are_an_error_and_the_encoding_settles_it(tmp_path: Path) -> None:
    items, interactions = "item_id,title\ncafé-1,Café\nx,y\n".encode("cp850"), "user_id,item_id\nu1,café-1\nu2,x\n".encode()
    folder = shop(tmp_path / "shop", items, interactions)
    with pytest.raises(
        DataError, match=r"items.csv was read as cp1252: ids do not join, the interactions have `café-1`, the items `caf‚-1`"
    ):
        read_folder(folder)
    assert read_folder(folder, encoding="cp850").items["item_id"].to_list() == ["café-1", "x"]
    shop(tmp_path / "shop", items, interactions.decode().encode("cp850"))
    assert read_folder(folder, encoding="cp850").items["item_id"].to_list() == ["café-1", "x"]
    (tmp_path / "shop" / "mmrec.yaml").write_text("encoding: IBM850\n")
    assert read_folder(folder).items["title"].to_list() == ["Café", "y"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "iso2022_jp", "utf-7", "cp500"])
def test_a_given_encoding_that_looks_like_ascii(tmp_path: Path, encoding: str) -> None:
    folder = shop(tmp_path / "shop", "item_id,title\ni0,x\ni1,y\n".encode(encoding), "user_id,item_id\nu1,i0\nu2,i1\n".encode(encoding))
    assert read_folder(folder, encoding=encoding).items["title"].to_list() == ["x", "y"]


def test_bytes_that_the_given_encoding_has_not_are_bad_rows(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", b"item_id,title\ni0,\x93x\x94\ni1,\x81\n")
    with pytest.raises(DataProblems, match=r"items.csv:3: expected one encoding throughout .*found 0x81"):
        read_folder(folder, encoding="cp1252")
    with pytest.raises(DataProblems, match=r"items.csv:2: .*0x93"):
        read_folder(folder, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "found"), [("UTF-8", "utf_8"), ("utf-8-sig", "utf_8"), ("latin-1", "latin_1"), ("Windows-1250", "cp1250")]
)
def test_names_of_encodings(name: str, found: str) -> None:
    assert check_encoding(name, "data.encoding") == found


@pytest.mark.parametrize("name", ["cp1253x", "rot13", "base64", "idna", "unicode_escape", "../x", ""])
def test_what_is_no_encoding_of_text(name: str) -> None:
    with pytest.raises(ConfigError, match=r"data.encoding: there is no encoding"):
        check_encoding(name, "data.encoding")


def test_a_file_that_looks_like_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(DataError, match=r"x.csv: expected text, found bytes that are invalid in all known encodings"):
        TextEncoding([tmp_path / "x.csv"]).of(tmp_path / "x.csv")
