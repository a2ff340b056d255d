"""The built-in analyzer of volumes: brain, tissues and lesions of a head, on FLAIR or T1."""

from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer

__all__ = ["VolumeAnalyzer"]
