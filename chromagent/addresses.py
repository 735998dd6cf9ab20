"""Which IP addresses belong to the public internet. `is_public` is the only question; the table below is the answer.

The table is that of IANA's special-purpose registries, whole: also the few blocks that are "globally reachable" there, because no
web server that anybody names in a request lives in them.
https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

SPECIAL_IPV4: Final = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a provider's customers (carrier-grade NAT)
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, with the metadata servers of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments: DS-Lite, PCP, NAT64 discovery, Oracle's metadata server
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # relays of 6to4, no longer in use
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, with the broadcast address
    )
)
SPECIAL_IPV6: Final = tuple(
    ip_network(block)
    for block in (
        "::/128",  # unspecified
        "::1/128",  # loopback
        "::/96",  # IPv4-compatible: stands for an IPv4 address
        "::ffff:0:0/96",  # IPv4-mapped: stands for an IPv4 address
        "::ffff:0:0:0/96",  # IPv4-translated (SIIT): stands for an IPv4 address
        "64:ff9b::/96",  # NAT64: stands for an IPv4 address
        "64:ff9b:1::/48",  # NAT64 of a local network
        "100::/64",  # discarded
        "100:0:0:1::/64",  # dummy prefix
        "2001::/23",  # protocol assignments: Teredo (2001::/32), AMT, AS112, ORCHID, drone ids
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: stands for an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, no longer in use
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",  # private (unique local)
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, no longer in use
        "ff00::/8",  # multicast
    )
)
GLOBAL_UNICAST: Final = ip_network("2000::/3")
"""All that IANA gives out of IPv6; the rest is reserved."""


def is_public(text: str) -> bool:
    """Say whether a text is an address of the public internet; False for what is no address."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return _is_public_ipv4(address) if isinstance(address, IPv4Address) else _is_public_ipv6(address)


def _is_public_ipv4(address: IPv4Address) -> bool:
    return not any(address in block for block in SPECIAL_IPV4)


def _is_public_ipv6(address: IPv6Address) -> bool:
    return address in GLOBAL_UNICAST and not any(address in block for block in SPECIAL_IPV6)
