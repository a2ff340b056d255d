"""The commands that people give; nothing imports this room."""
