"""Debian packages: what an APT manifest asks for, and apt and dpkg to do it with."""
