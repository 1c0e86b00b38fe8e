"""Which addresses may be called: the public ones, however a private one is written or wrapped."""

from ipaddress import ip_address, ip_network

import pytest

from app.outbound.addresses import AddressRules, is_public

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "192.169.0.1", "2606:4700::1111", "2a00:1450::1"]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%2",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_called(address: str) -> None:
    assert is_public(ip_address(address))
    assert AddressRules().allow(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_others_may_not(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not AddressRules().allow(ip_address(address))


def test_the_operator_may_allow_a_network_and_only_that() -> None:
    rules = AddressRules([ip_network("10.1.0.0/16"), ip_network("fd00::/64")])
    allowed = [address for address in [*NOT_PUBLIC, "10.1.2.3", "fd00::5"] if rules.allow(ip_address(address))]
    assert allowed == ["10.1.2.3", "fd00::5"]
