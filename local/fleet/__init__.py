"""A simulated fleet: real agents over MQTT, installing nothing."""
