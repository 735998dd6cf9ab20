"""The only outgoing I/O: the connection pool, Google's tokens, secrets, and when to try again."""
