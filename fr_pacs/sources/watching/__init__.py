"""A folder that is watched: files and series are sent when they are complete."""
