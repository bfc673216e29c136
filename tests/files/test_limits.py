"""Limits: each is told with its key and is raised by it; honest tables do not come near."""

from pathlib import Path

import pytest
import yaml

from mmrec.data.folder.read import read_folder
from mmrec.errors import ConfigError, MmrecError
from mmrec.files.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
INTERACTIONS = "user_id,item_id\nu,i\n"
NESTED = "<<( <http://a> <http://b> "
HOSTILE = {
    "columns": ("items.csv", "item_id," + ",".join(f"c{n}" for n in range(300)) + "\ni\n", {"columns": 299}),
    "nesting": ("triples.ttl", "<http://u> <http://r> " + NESTED * 20_000 + "<http://i>" + " )>>" * 20_000 + " .\n", {}),
    "value_kb": ("triples.graphml", f'<graphml><graph x="{"y" * 20_000}"/></graphml>', {"value_kb": 10}),
    "settings_kb": ("mmrec.yaml", "# " + "x" * 200_000, {}),
    "wildcards": ("mmrec.yaml", "image_column: '" + "*a" * 9 + "{item_id}'\n", {}),
    "deep_wildcards": ("mmrec.yaml", "tables: {items: '" + "**/" * 7 + "items.csv'}\n", {}),
    "cells_per_byte": ("items.csv", "item_id," + ",".join(f"c{n}" for n in range(9_000)) + "\n" + "i\n" * 100_000, {}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_each_is_told_with_its_key(tmp_path: Path, name: str) -> None:
    file, content, limits = HOSTILE[name]
    (tmp_path / "interactions.csv").write_text(INTERACTIONS)
    (tmp_path / file).write_text(content)
    with pytest.raises(MmrecError, match=rf"data\.limits\.{name}"):
        read_folder(str(tmp_path), limits=Limits(**limits))


def test_a_raised_limit_lets_a_file_pass(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text(INTERACTIONS)
    (tmp_path / "items.csv").write_text(HOSTILE["columns"][1])
    assert read_folder(str(tmp_path), limits=Limits(columns=301)).items.width == 301


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    with open(tmp_path / "interactions.csv", "wb") as file:
        file.write(INTERACTIONS.encode())
        file.truncate(10**10)
    with pytest.raises(MmrecError, match=r"10,000,000,000 bytes.*data\.limits\.expansion"):
        read_folder(str(tmp_path))


def test_only_whole_numbers_are_limits() -> None:
    with pytest.raises(ConfigError, match=r"data\.limits\.nesting: expected a whole number from 1, found `0`"):
        Limits(nesting=0)


def test_the_configuration_has_the_same() -> None:
    found = yaml.safe_load((ROOT / "conf" / "data" / "limits" / "default.yaml").read_text())
    assert Limits(**{name: value for name, value in found.items() if name != "_target_"}) == Limits()
    assert set(found) == {"_target_", *Limits.__annotations__}
