"""The Python of README.md and of docs/python_api.md runs as a script, in a folder that has a `my_shop/` and nothing else."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/python_api.md"])
def test_the_python_of_a_page_runs(page: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    user, item = np.divmod(draw.permutation(60 * 30)[:900], 30)
    (tmp_path / "my_shop").mkdir()
    times = 1_700_000_000 + 3600 * draw.permutation(900)
    shop = pl.DataFrame({"user_id": [f"{n}" for n in user], "item_id": [f"sku-{n}" for n in item], "timestamp": times})
    shop.write_csv(tmp_path / "my_shop" / "interactions.csv")
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "script.py").write_text("\n".join(blocks), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MMREC_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "first" / "report.html").is_file()
