"""What is in a folder: tables, those in many files as one, pictures, the rest; and a sample of each table."""

from pathlib import Path

import pytest

from mmrec.data.discover.survey import survey_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {
        "a-1.csv": "x,y\n1,2\n",
        "a-2.csv": "x,y\n3,4\n5,6\n",
        "b-1.csv": "x,y\n1,2\n",
        "train.tsv": "k\tv\n1\t2\n",
        "test.tsv": "k\tv\n1\t2\n",
        "parts/0.csv": "p,q\n1,2\n",
        "parts/zzz.csv": "p,q\n1,2\n",
        "mixed/0.csv": "m\n1\n",
        "mixed/1.csv": "n\n1\n",
        "broken.csv": 'x,z\n1,2\n3,"4\n',
        "empty.csv": "",
        "headers.csv": "r,s\n",
        "pics/a.JPG": "",
        ".hidden.csv": "x\n1\n",
        "notes.md": "",
        "mmrec.yaml": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_files_of_one_table_are_one_source(folder: Path) -> None:
    found = {source.name: (source.n_files, len(source)) for source in survey_folder(folder).sources}
    assert found == {
        "a-*.csv": (2, 3),
        "b-1.csv": (1, 1),
        "train.tsv, test.tsv": (2, 2),
        "parts": (2, 2),
        "mixed/0.csv": (1, 1),
        "mixed/1.csv": (1, 1),
        "broken.csv": (1, 1),
    }


def test_pictures_and_what_is_neither(folder: Path) -> None:
    survey = survey_folder(folder)
    assert survey.pictures == ("pics/a.JPG",) and survey.stems == {"a": "pics/a.JPG"}
    others = sorted(other.partition(":")[0] for other in survey.others)
    assert others == ["empty.csv", "headers.csv", "notes.md"]


def test_ids_and_how_distinct_they_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        f"id,half,long,fraction,gaps\n1,a,{'x' * 99},1.5,\n2,a,{'y' * 99},2.5,\n007,b,{'z' * 99},3.0,g\n,b,,,\n"
    )
    (source,) = survey_folder(tmp_path).sources
    assert source.ids("id").to_list() == ["1", "2", "007"] and source.distinctness("id") == 0.75
    assert source.ids("half").to_list() == ["a", "b"] and source.distinctness("half") == 0.5
    assert [len(source.ids(name)) for name in ("long", "fraction", "gaps")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train.csv": "a,b", "test.csv": "a,b"}, []),
        ({"train.csv": "a,b", "valid.csv": "a,b"}, []),  # nothing to test on: no parts of anything
        ({"train.csv": "a,b", "test.csv": "a"}, ["`b` only in train.csv"]),
        ({"train.csv": "a,b", "test.csv": "a,b", "valid.csv": "a,c"}, ["`b` only in train.csv and test.csv, `c` only in valid.csv"]),
        ({"orders_train.csv": "a,b", "test.csv": "a"}, []),  # of two tables
        ({"train/x.csv": "a,b", "test/x.csv": "a"}, ["`b` only in train/x.csv"]),
        ({"train/x.csv": "a,b", "test/x.csv": "a,b", "train/y.csv": "k"}, []),
        ({"train.csv": "0,1,2,3,4,5,6,7,8,a", "test.csv": "a"}, ["`0`, `1`, `2`, `3`, `4`, `5`, `6`, `7`, … only in train.csv"]),
    ],
)
def test_parts_by_name_whose_columns_differ_are_told_of(files: dict[str, str], said: list[str], tmp_path: Path) -> None:
    for name, header in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    found = [sentence.partition("columns differ: ")[2].partition("; give")[0] for sentence in survey_folder(tmp_path).apart]
    assert found == said
