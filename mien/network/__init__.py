"""What lies below the MQTT client: host names, what a port speaks, and the socket that reads packets in bulk."""
