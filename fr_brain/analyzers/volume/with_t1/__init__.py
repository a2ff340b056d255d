"""Reads a FLAIR scan together with the T1 scan of its study."""
