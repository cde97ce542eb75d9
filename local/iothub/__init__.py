"""A stand-in for Azure IoT Hub that the unmodified service and device SDKs talk to over loopback."""
