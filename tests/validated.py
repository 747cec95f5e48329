"""A key that is imported is validated once in a process, however often it comes: OpenSSL tests its primes for 30 ms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch

from livepass.pkpass import material

_PEM, _DER = cache(material.load_pem_private_key), cache(material.load_der_private_key)


@contextmanager
def once() -> Iterator[None]:
    """Meanwhile. What does not open is tried, and refused, each time."""
    with patch.multiple(material, load_pem_private_key=_PEM, load_der_private_key=_DER):
        yield
