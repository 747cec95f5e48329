"""Certificates and private keys: sealed at rest, opened once, never logged."""
