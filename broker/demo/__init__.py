"""`mien demo`: everything on one machine, with an MQTT broker inside this process."""
