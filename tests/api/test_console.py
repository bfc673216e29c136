"""mmrec.api.console: what the library logs is printed once, as one inert line, while a verb is at work and not after it."""

import logging

import pytest

from mmrec.api.console import console_output
from mmrec.files.progress import progress

LOGGER = logging.getLogger("mmrec.somewhere.deep")


def test_a_message_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with console_output(), console_output():
        LOGGER.info("a name\nmmrec: sound \x1b[31m %s")
        LOGGER.debug("not this")
    LOGGER.info("nor this")
    assert capsys.readouterr() == ("", "a name\\nmmrec: sound \\x1b[31m %s\n")


def test_loggers_are_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("mmrec")
    before = list(logger.handlers), logger.level
    with pytest.raises(KeyError), console_output():
        raise KeyError
    assert (list(logger.handlers), logger.level) == before


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with console_output():
        assert list(progress(range(3), "reading [/x]", 3)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_it_decorates_functions(capsys: pytest.CaptureFixture[str]) -> None:
    @console_output()
    def work() -> int:
        LOGGER.info("at work")
        return 3

    assert work() == 3 and work() == 3
    assert capsys.readouterr().err == "at work\n" * 2
