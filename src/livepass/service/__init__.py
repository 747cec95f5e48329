"""Use cases: gather facts, let ``core`` decide, apply. Everything outside is a seam (``seams.py``)."""
