"""How scans are read."""
