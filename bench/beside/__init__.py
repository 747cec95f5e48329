"""The rows of ``bench/all``: livepass and what stands beside it, in turns, on the same input and the same machine."""
