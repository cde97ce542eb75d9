SUMMARY = "Reference device of Open Device Update, with two slots"
DESCRIPTION = "A small system with the device agent, which writes a new version of it into the \
               slot that does not run, has it started on trial, and falls back by itself."
HOMEPAGE = "https://open-device-update.example"
BUGTRACKER = "https://open-device-update.example"
SECTION = "images"
LICENSE = "MIT"

inherit core-image odu_slots

CORE_IMAGE_EXTRA_INSTALL += "kernel-image libubootenv-bin odu-agent"
