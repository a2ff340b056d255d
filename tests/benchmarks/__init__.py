"""Benchmarks: this project and its peers, interleaved in one run. ``make bench``."""
