"""A stand-in for the Device Provisioning Service: the registration API, for enrolled devices."""
