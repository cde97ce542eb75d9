FILESEXTRAPATHS:prepend := "${ODU_SOURCES}/meta-odu/recipes-bsp/u-boot/files:"

SRC_URI:append:rpi = " file://odu-environment.cfg"
