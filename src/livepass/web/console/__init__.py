"""The console: pages for whoever operates livepass, rendered here, under ``/console`` or where it is mounted.

Each page shows what the issuer API answers, as HTML and, with ``.json`` behind its path, as that very data. Templates
decide how something looks and nothing else. It needs ``livepass[console]``.
"""
