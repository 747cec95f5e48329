"""What is said when something that a certificate names cannot be fetched."""

from __future__ import annotations

from livepass.core.fetching import LONGEST_SHOWN, CannotFetch


def test_it_says_which_address_and_why() -> None:
    problem = CannotFetch("http://ocsp.test/", "it does not answer")
    assert str(problem) == "http://ocsp.test/: it does not answer"
    assert (problem.address, problem.why) == ("http://ocsp.test/", "it does not answer")


def test_an_address_that_never_ends_does_not_fill_the_message() -> None:
    assert LONGEST_SHOWN == 200
    address = "http://ocsp.test/" + "a" * 10_000
    assert str(CannotFetch(address, "too long")) == address[:200] + ": too long"
    assert CannotFetch(address, "too long").address == address, "whole for whoever compares"
