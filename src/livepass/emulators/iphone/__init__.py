"""The emulated iPhone: ``Wallet`` is the phone, ``PhoneRunner`` lets it talk, ``QUIRKS`` lists what it assumes.

Imports nothing of the service it tests. See ``wallet.py`` for the theory of operation.
"""

from livepass.emulators.iphone.clock import RealClock, VirtualClock
from livepass.emulators.iphone.form import Form
from livepass.emulators.iphone.model import (
    Alert,
    Banner,
    Exchange,
    InstalledPass,
    PhoneSettings,
    Record,
    Request,
)
from livepass.emulators.iphone.package import Package, Refused
from livepass.emulators.iphone.pushes import Push, PushClient
from livepass.emulators.iphone.quirks import QUIRKS, Quirk, Quirks
from livepass.emulators.iphone.run import PhoneEvent, PhoneRunner
from livepass.emulators.iphone.transport import Unreachable
from livepass.emulators.iphone.wallet import Wallet

__all__ = [
    "QUIRKS",
    "Alert",
    "Banner",
    "Exchange",
    "Form",
    "InstalledPass",
    "Package",
    "PhoneEvent",
    "PhoneRunner",
    "PhoneSettings",
    "Push",
    "PushClient",
    "Quirk",
    "Quirks",
    "RealClock",
    "Record",
    "Refused",
    "Request",
    "Unreachable",
    "VirtualClock",
    "Wallet",
]
