"""Every block of IANA's special-purpose registries, written down once more from the registries themselves."""

from ipaddress import ip_address, ip_network

import pytest

from chromagent.addresses import is_public

IPV4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/32",
    "192.0.0.171/32",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
]
IPV6 = [
    "::1/128",
    "::/128",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3ffe::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
RESERVED = [
    "200::/7",
    "400::/6",
    "800::/5",
    "1000::/4",
    "4000::/3",
    "6000::/3",
    "8000::/3",
    "a000::/3",
    "c000::/3",
    "e000::/4",
    "f000::/5",
    "f800::/6",
]


@pytest.mark.parametrize("block", [*IPV4, *IPV6, *RESERVED])
def test_no_special_block_is_public_from_its_first_address_to_its_last(block: str) -> None:
    network = ip_network(block)
    picked = (network[0], network[network.num_addresses // 2], network[-1])
    assert [str(one) for one in picked if is_public(str(one))] == []


@pytest.mark.parametrize("target", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"])
def test_ipv6_that_stands_for_ipv4_is_never_public(target: str) -> None:
    inside = int(ip_address(target))
    mapped, compatible, nat64, siit = f"::ffff:{target}", f"::{target}", f"64:ff9b::{target}", f"::ffff:0:{target}"
    six_to_four = str(ip_address((0x2002 << 112) | (inside << 80)))
    teredo = str(ip_address((0x20010000 << 96) | (inside ^ 0xFFFFFFFF)))
    assert not [one for one in (mapped, compatible, nat64, siit, six_to_four, teredo) if is_public(one)]


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "192.0.1.0", "198.17.255.255", "223.255.255.255", "100.128.0.0"])
def test_what_lies_beside_the_ipv4_blocks_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["2606:4700::1111", "2a00:1450:4001::1", "2001:200::1", "2001:4860:4860::8888", "2003::1"])
def test_what_lies_beside_the_ipv6_blocks_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "0x7f000001", "1.2.3.4.5", "fe80::1%eth0", "::ffff:127.0.0.1%1"])
def test_what_is_no_public_address_at_all(text: str) -> None:
    assert not is_public(text)
