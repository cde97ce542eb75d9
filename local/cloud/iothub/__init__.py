"""A stand-in for Azure IoT Hub: the unmodified service and device SDKs talk to it over loopback."""
