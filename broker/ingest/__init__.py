"""From MQTT to the database: the collector and everything that it stores."""
