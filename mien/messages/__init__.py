"""The messages that devices and collectors exchange over MQTT: their fields, JSON form and topics."""
