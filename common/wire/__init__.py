"""The wire: messages, protocol, sockets, TLS."""
