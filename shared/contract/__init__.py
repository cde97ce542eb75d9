"""The wire formats that the service and the device agent share; packaged with both.

Twin contract, update manifest, signatures and root key package of Device Update for IoT Hub.
"""
