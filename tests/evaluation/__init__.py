"""How well scans are read: on held-out phantoms with known truth, and on real images."""
