"""The same work done by what people use today."""
