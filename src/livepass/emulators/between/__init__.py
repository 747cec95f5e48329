"""What stands between a phone and its service, spoiled one named break at a time: ``breaks.BREAKS`` is the table.

The service takes no part in it: everything happens on the wire, at the emulated APNs, or on the emulated phone.
"""
