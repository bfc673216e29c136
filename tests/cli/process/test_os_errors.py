"""mmrec.cli.process.os_errors: what the operating system refuses is one message with the path and a remedy."""

import errno
import os

import pytest

from mmrec.cli.process.messages import errors_as_messages
from mmrec.cli.process.os_errors import REMEDIES, describe_os_error


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_refusal_names_the_path_and_a_remedy(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, errors_as_messages("train"):
        raise OSError(number, os.strerror(number), "some/path")
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.startswith(f"mmrec: {os.strerror(number)}: some/path; ") and "Traceback" not in said
    assert number not in REMEDIES or REMEDIES[number] in said


def test_one_without_number_or_path_says_what_it_knows() -> None:
    assert describe_os_error(OSError("cannot identify image file")).startswith("cannot identify image file; check")
    assert describe_os_error(TimeoutError()).startswith("TimeoutError; check")
    assert "a -> b; " in describe_os_error(OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"))
