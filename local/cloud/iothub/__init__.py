"""A stand-in for Azure IoT Hub: service API over HTTPS, devices over MQTT with TLS.

Unmodified service and device SDKs talk to it. Limits and throttles are those of the real hub. It
knows nothing of the product.
"""
