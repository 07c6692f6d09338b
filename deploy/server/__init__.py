"""The server folder: certificate authority, mosquitto, collector, dashboard, containers, Grafana."""
