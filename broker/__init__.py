"""The collector's side: ingest, database, queries and dashboard; the MQTT broker itself is mosquitto."""
