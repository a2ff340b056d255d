"""The embedded MongoDB and its guardian."""
