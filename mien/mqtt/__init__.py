"""The connection to the MQTT broker: its settings, the client, and the events that it reports."""
