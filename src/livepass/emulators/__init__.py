"""The other side of the wire: an emulated iPhone, APNs and certificate authority.

Nothing here imports the rest of livepass: a fake phone that shared the server's beliefs would prove nothing.
"""
