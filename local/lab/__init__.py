"""The reference device: a small Debian with two slots, GRUB and the agent, in QEMU."""
