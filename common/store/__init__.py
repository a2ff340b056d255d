"""The store: the only room with PyMongo."""
