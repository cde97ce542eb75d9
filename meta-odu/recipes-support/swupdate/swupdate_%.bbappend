FILESEXTRAPATHS:prepend := "${THISDIR}/${PN}:"

# For steps of microsoft/swupdate:2, whose scripts run SWUpdate itself.
SRC_URI += "file://odu-signed.cfg"
