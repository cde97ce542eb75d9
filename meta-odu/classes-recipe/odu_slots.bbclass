# An image with two slots, of which one runs read-only while the other is written, and a partition
# of data that both share.

IMAGE_FEATURES += "read-only-rootfs"
IMAGE_FSTYPES = "ext4.gz wic.bmap wic.bz2"
WKS_FILE = "odu-slots.wks.in"
WKS_FILE_DEPENDS:append = " odu-boot-script"
IMAGE_BOOT_FILES:append = " boot.scr"

ODU_BOOT_SIZE ?= "100M"
ODU_SLOT_SIZE ?= "1024M"
ODU_DATA_SIZE ?= "1024M"
ODU_VERSION ?= "${DISTRO_VERSION}"
ODU_VERSION[doc] = "Text of /etc/adu-version, which installedCriteria of an update is compared with"
ODU_BOOT_SIZE[doc] = "Size of the partition with the boot loader"
ODU_SLOT_SIZE[doc] = "Size of each slot"
ODU_DATA_SIZE[doc] = "Size of the data partition of the image; enlarge it at the first start"
WICVARS:append = " ODU_BOOT_SIZE ODU_SLOT_SIZE ODU_DATA_SIZE"

ROOTFS_POSTPROCESS_COMMAND += "odu_slots_rootfs"

odu_slots_rootfs () {
    echo "${ODU_VERSION}" > ${IMAGE_ROOTFS}${sysconfdir}/adu-version
    for name in adu agent installer; do
        install -d -m 0755 ${IMAGE_ROOTFS}/data/$name
    done
    install -d -m 0755 ${IMAGE_ROOTFS}${localstatedir}/lib/odu-agent
    install -d -m 0755 ${IMAGE_ROOTFS}${localstatedir}/lib/odu-agent-installer
    if [ -d ${IMAGE_ROOTFS}${sysconfdir}/adu ]; then
        cp -a ${IMAGE_ROOTFS}${sysconfdir}/adu/. ${IMAGE_ROOTFS}/data/adu/
        rm -r ${IMAGE_ROOTFS}${sysconfdir}/adu
    fi
    ln -s /data/adu ${IMAGE_ROOTFS}${sysconfdir}/adu
    fstab=${IMAGE_ROOTFS}${sysconfdir}/fstab
    state=${localstatedir}/lib
    bind="bind,x-systemd.requires-mounts-for=/data"
    echo "PARTLABEL=data /data ext4 defaults,noatime 0 0" >> $fstab
    echo "/data/agent $state/odu-agent none $bind 0 0" >> $fstab
    echo "/data/installer $state/odu-agent-installer none $bind 0 0" >> $fstab
}
