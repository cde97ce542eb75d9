"""What tests of several subjects build and look at: requests, devices, worlds. No test."""
