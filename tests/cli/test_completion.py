"""`mmrec completion`: verbs, keys and choices; and that bash, given its script, completes a line."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmrec.cli.completion import SCRIPTS, complete, completion
from mmrec.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("mmrec tr", ["train"]),
        ("mmrec data ch", ["check"]),
        ("mmrec train split=gl", ["split=global_time"]),
        ("mmrec train seed=1 trainer.max_ep", ["trainer.max_epochs="]),
        ("mmrec trian x", []),
    ],
)
def test_a_line_is_completed(line: str, found: list[str]) -> None:
    assert complete(line) == found


def test_the_data_verbs_are_offered_after_data() -> None:
    assert complete("mmrec data ") == ["check", "describe", "export-events", "graph", "ingest", "init"]
    assert {"train", "data", "recommend", "completion"} <= set(complete("mmrec "))


def test_a_shell_without_a_script_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="found `bahs`; did you mean `bash`"):
        completion(["bahs"])
    for shell in SCRIPTS:
        completion([shell])
        assert "mmrec completion query" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_what_follows_the_equals_sign(tmp_path: Path) -> None:
    (tmp_path / "mmrec").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mmrec.cli.main "$@"\n')
    (tmp_path / "mmrec").chmod(0o755)
    script = (
        'PATH="$1:$PATH"\neval "$(mmrec completion bash)"\nCOMP_LINE="mmrec train split=gl" COMP_POINT=20\n_mmrec\necho "${COMPREPLY[@]}"'
    )
    ran = subprocess.run(["bash", "-c", script, "bash", str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert (ran.stdout, ran.stderr) == ("global_time\n", "")
