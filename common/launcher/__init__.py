"""``make all``: the units as processes."""
