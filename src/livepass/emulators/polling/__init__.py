"""A wallet that polls: as some for Android and Linux do it, from Apple's pages and those wallets' own descriptions.

It reads a ``.pkpass``, fetches the pass with its token now and then, and takes what it gets. It knows no registering,
no asking and no pushes; it does not look at the signature.
"""

from livepass.emulators.polling.wallet import KINDS, NotAPass, Polled, PollingWallet, Unreachable

__all__ = ["KINDS", "NotAPass", "Polled", "PollingWallet", "Unreachable"]
