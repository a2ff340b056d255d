"""The same work with widely used tools."""
