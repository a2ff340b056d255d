"""The store: the only package with PyMongo."""
