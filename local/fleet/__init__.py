"""A simulated fleet: real agents over MQTT, installing nothing.

What a device does is the agent's code; only the hardware is imagined.
"""
