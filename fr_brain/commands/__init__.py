"""Commands that need analyzers."""
