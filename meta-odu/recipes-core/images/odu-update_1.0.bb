SUMMARY = "Signed .swu file of the reference device"
DESCRIPTION = "What the step handler microsoft/swupdate:1 takes: one image, with its hash in a \
               sw-description that is signed by CMS."
HOMEPAGE = "https://open-device-update.example"
BUGTRACKER = "https://open-device-update.example"
SECTION = "images"
LICENSE = "MIT"

SRC_URI = "file://sw-description"

inherit swupdate

IMAGE_DEPENDS = "odu-image"
SWUPDATE_IMAGES = "odu-image"
SWUPDATE_IMAGES_FSTYPES[odu-image] = ".rootfs.ext4.gz"

# ODU_SIGNING_KEY and ODU_SIGNING_CERTIFICATE are set in local.conf; the key stays out of layers.
SWUPDATE_SIGNING = "CMS"
SWUPDATE_CMS_KEY = "${ODU_SIGNING_KEY}"
SWUPDATE_CMS_CERT = "${ODU_SIGNING_CERTIFICATE}"

ODU_VERSION ?= "${DISTRO_VERSION}"
ODU_HARDWARE ?= "1.0"
