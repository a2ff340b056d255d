"""The commands that need analyzers."""
