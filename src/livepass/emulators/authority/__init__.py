"""An emulated Apple, as far as certificates go: it issues what the portal issues, and answers for it over HTTP.

``Authority`` mints roots, several generations of the WWDR intermediate, and the certificates below them; ``Issued``
is one of those with its key, and exports it as people bring it (``exports``). ``AuthorityServer`` (``server``) hands
out intermediates and CRLs and answers OCSP, with faults that a test switches on.

Nothing here is Apple's: a real phone refuses every pass signed under these roots.
"""

from livepass.emulators.authority.ca import Authority
from livepass.emulators.authority.issued import Issued
from livepass.emulators.authority.server import AuthorityServer

__all__ = ["Authority", "AuthorityServer", "Issued"]
