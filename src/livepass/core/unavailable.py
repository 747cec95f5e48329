"""The one fault that every caller must be ready for: the database cannot answer now."""

from __future__ import annotations


class Unavailable(Exception):
    """The database cannot be reached, or is too busy. Nothing was acknowledged; asking again is safe.

    Phones and issuers get 503: phones come again by themselves.
    """

    hint = "send it again; nothing was acknowledged"
