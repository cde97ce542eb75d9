SUMMARY = "U-Boot script that chooses the slot to start"
DESCRIPTION = "Starts the default slot, or once the one on trial, as the device agent has it."
HOMEPAGE = "https://open-device-update.example"
BUGTRACKER = "https://open-device-update.example"
SECTION = "bootloaders"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302"

DEPENDS = "u-boot-mkimage-native"
PROVIDES += "u-boot-default-script"

SRC_URI = "file://boot.cmd.in"

S = "${UNPACKDIR}"

inherit deploy nopackages

COMPATIBLE_MACHINE = "^(raspberrypi4-64|raspberrypi5|qemuarm64)$"
INHIBIT_DEFAULT_DEPS = "1"
PACKAGE_ARCH = "${MACHINE_ARCH}"

ODU_BOOT_DEVICE ?= "mmc 0"
ODU_BOOT_DEVICE:qemuarm64 ?= "virtio 0"
ODU_BOOT_DEVICE[doc] = "The disk, as U-Boot names it"
# The tree that the firmware of the board, or QEMU, has handed to U-Boot.
ODU_BOOT_FDT ?= "fdt_addr"
ODU_BOOT_FDT:qemuarm64 ?= "fdtcontroladdr"

do_configure[noexec] = "1"
do_install[noexec] = "1"

do_compile () {
    sed -e 's/@@DEVICE@@/${ODU_BOOT_DEVICE}/' -e 's/@@KERNEL@@/${KERNEL_IMAGETYPE}/' \
        -e 's/@@FDT@@/${ODU_BOOT_FDT}/' ${S}/boot.cmd.in > ${B}/boot.cmd
    mkimage -A arm64 -T script -C none -n "slots" -d ${B}/boot.cmd ${B}/boot.scr
}

do_deploy () {
    install -m 0644 ${B}/boot.scr ${DEPLOYDIR}/boot.scr
}

addtask deploy after do_compile before do_build
