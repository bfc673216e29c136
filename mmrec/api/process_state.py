"""Preserve the state of the calling process during a call."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("", "mmrec", "lightning", "lightning.pytorch", "lightning.fabric", "lightning_utilities", "transformers", "torch", "hydra")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def preserve_process_state() -> Iterator[None]:
    """Restore warning filters, loggers, signal handlers, environment variables and the random state of torch after the block.

    This also reverts changes by libraries that are imported within the block.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(list(one.handlers), one.level, one.propagate, one.disabled, list(one.filters)) for one in loggers]
    environment, is_main = dict(os.environ), threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        with warnings.catch_warnings(), _preserve_random_state():
            warnings.filterwarnings("ignore", message="IProgress not found")  # in a notebook without ipywidgets, when tqdm is imported
            yield
    finally:
        for one, (handlers_before, level, propagate, disabled, filters) in zip(loggers, before, strict=True):
            one.handlers[:], one.filters[:] = handlers_before, filters
            one.propagate, one.disabled = propagate, disabled
            one.setLevel(level)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        for number, handler in handlers.items():
            if is_main and handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def _preserve_random_state() -> Iterator[None]:
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield
