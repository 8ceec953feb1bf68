"""Signals are collected, and handlers are put back."""

import signal

import pytest

from icl.runs.signals import deferred_signals


def test_a_handler_that_was_not_installed_from_python_does_no_harm(
    monkeypatch: pytest.MonkeyPatch,
):
    """`signal.signal` returns None for such a handler, and does not take None back."""
    own = signal.getsignal(signal.SIGTERM)
    install = signal.signal

    def foreign(number: int, handler: object) -> object:
        before = install(number, handler)  # type: ignore[arg-type]
        return None if number == signal.SIGTERM else before

    try:
        monkeypatch.setattr(signal, "signal", foreign)
        with deferred_signals(lambda text: None) as received:
            signal.raise_signal(signal.SIGTERM)
        assert received == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        install(signal.SIGTERM, own)
