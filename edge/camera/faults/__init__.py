"""How cameras fail: recognized in their images, and staged for tests and trials."""
