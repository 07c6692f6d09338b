"""Whether the server's clock can be believed, and what is deleted by it."""
