"""Heads closer to real images than the phantoms: families apart for tuning and for judging."""
