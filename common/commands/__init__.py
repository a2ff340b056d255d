"""The commands that people run; nothing imports this package."""
