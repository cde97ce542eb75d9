SUMMARY = "Device agent of Open Device Update"
DESCRIPTION = "Follows the twin contract of Device Update for IoT Hub: verifies, downloads, \
               installs and reports, in a half on the network and one that installs."
HOMEPAGE = "https://open-device-update.example"
BUGTRACKER = "https://open-device-update.example"
SECTION = "admin"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=00a384320948a67718228045b0fc1020"

FILESEXTRAPATHS:prepend := "${ODU_SOURCES}:${ODU_SOURCES}/agent:${ODU_SOURCES}/shared:"

SRC_URI = "file://LICENSE \
           file://contract \
           file://debian \
           file://hooks \
           file://odu_agent \
           "

S = "${UNPACKDIR}"

inherit python3-dir systemd useradd

SYSTEMD_SERVICE:${PN} = "odu-agent.service odu-agent-installer.service \
                         odu-agent-installer.socket odu-agent-trial.service"
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system odu-agent"
USERADD_PARAM:${PN} = "--system --gid odu-agent --no-create-home --home-dir ${localstatedir}/lib/odu-agent \
                       --shell /sbin/nologin odu-agent"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install () {
    install -d ${D}${libdir}/odu-agent ${D}${bindir} ${D}${sysconfdir}/adu/hooks.d
    cp -R --no-preserve=ownership ${S}/odu_agent ${D}${libdir}/odu-agent/
    # in the sources the wire contract is a link
    rm -rf ${D}${libdir}/odu-agent/odu_agent/contract
    cp -R --no-preserve=ownership ${S}/contract ${D}${libdir}/odu-agent/odu_agent/contract
    find ${D}${libdir}/odu-agent -name __pycache__ -prune -exec rm -r {} +

    sed -e 's,/usr/lib/odu-agent,${libdir}/odu-agent,g' ${S}/debian/bin/odu-agent > ${D}${bindir}/odu-agent
    chmod 0755 ${D}${bindir}/odu-agent
    install -m 0644 ${S}/debian/etc/du-diagnostics-config.json ${D}${sysconfdir}/adu/
    install -d ${D}${datadir}/odu-agent/hooks
    install -m 0755 ${S}/hooks/* ${D}${datadir}/odu-agent/hooks/
    install -m 0644 ${S}/debian/du-config.example.json ${D}${datadir}/odu-agent/

    install -d ${D}${systemd_system_unitdir}
    for unit in ${SYSTEMD_SERVICE:${PN}}; do
        install -m 0644 ${S}/debian/odu-agent.$unit ${D}${systemd_system_unitdir}/$unit
    done
}

RDEPENDS:${PN} += "openssl-bin \
                   python3-core \
                   python3-cryptography \
                   python3-modules \
                   python3-paho-mqtt \
                   python3-pysocks \
                   python3-urllib3 \
                   "
RRECOMMENDS:${PN} += "ca-certificates zstd"
