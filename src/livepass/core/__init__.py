"""The conversation with a phone: facts in, decisions out.

Rules of this package: standard library only; no clock, no I/O, no randomness, no logging. Instants are integer
milliseconds since the Unix epoch, UTC, and are always passed in (``now``). A refusal is a value, not an exception.
"""
