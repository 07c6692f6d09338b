"""Collects observations from MQTT into a database and answers questions about them."""
