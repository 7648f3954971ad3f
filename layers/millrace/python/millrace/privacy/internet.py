"""E-mail addresses and IP addresses in texts. Pure."""

import ipaddress
import re

# What mail servers take without quotes; `@` also as a URL writes it. The last label is a top-level domain.
_EMAIL = re.compile(
    r"(?<![\w.+'-])(?P<local>[\w.+'-]{1,64})(?:@|%40)"
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?P<top>[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w@-]|\.\w)"
)
# Names of files are written likewise, `logo@2x.png`, and so is what a package manager installs and a host of no public network.
_NO_DOMAIN = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "avif",
        "ico",
        "bmp",
        "pdf",
        "js",
        "mjs",
        "cjs",
        "ts",
        "jsx",
        "tsx",
        "css",
        "scss",
        "html",
        "htm",
        "json",
        "xml",
        "yaml",
        "yml",
        "csv",
        "txt",
        "md",
        "zip",
        "gz",
        "tar",
        "tgz",
        "mp3",
        "mp4",
        "webm",
        "mov",
        "woff",
        "woff2",
        "ttf",
        "map",
        "lock",
        "py",
        "rb",
        "go",
        "rs",
        "java",
        "class",
        "jar",
        "exe",
        "dll",
        "service",
        "socket",
        "timer",
        "local",
        "localdomain",
        "internal",
    ]
)
# Accounts of machines, as in `git@github.com:org/repository`.
_TOOLS = frozenset({"git", "hg", "svn"})

_IPV4 = re.compile(r"(?<![0-9A-Za-z_.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z_-]|\.[0-9]|/[0-9])")
_IPV6 = re.compile(
    r"(?<![\w:.])[23][0-9a-fA-F]{3}:[0-9a-fA-F:]{2,34}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?![0-9A-Za-z_:])"
)
# Words before what looks like an address and is a version.
_VERSION = re.compile(
    r"(?:\b(?:version|release|build|ver|rev|firmware|oid|section|chapter)\W{0,2}|\bv)$", re.I
)
# The first and the last number of a version of four parts are mostly below these.
_MAJOR, _PATCH = 20, 10
_OCTET = 255
_LOOK_BACK = 12
_LOGIN = 128


def has_email(text: str) -> bool:
    """Whether it holds an e-mail address of the public internet."""
    if "@" not in text and "%40" not in text:
        return False
    return any(_is_email(text, match) for match in _EMAIL.finditer(text))


def _is_email(text: str, match: re.Match[str]) -> bool:
    local = match["local"].strip(".'-")
    if not local or ".." in local or match["top"].lower() in _NO_DOMAIN:
        return False
    if local.lower() in _TOOLS and text[match.end() : match.end() + 1] in (":", "/"):
        return False
    # `scheme://user:password@host`: what stands before the host is a login.
    before = text[max(0, match.start() - _LOGIN) : match.start()]
    _, scheme, authority = before.rpartition("://")
    return not (scheme and re.fullmatch(r"[^/?#\s\"'<>,;]*", authority))


def has_address(text: str, *, named: bool) -> bool:
    """Whether it holds an address of IPv4 or IPv6 that is no private network's.

    Args:
        text: any.
        named: whether the field's name says that it is one.
    """
    if text.count(".") > 2 and any(_is_ipv4(text, match, named) for match in _IPV4.finditer(text)):
        return True
    return ":" in text and has_ipv6(text)


def has_ipv6(text: str) -> bool:
    """Whether it holds a public address of IPv6."""
    return any(_is_ipv6(match[0]) for match in _IPV6.finditer(text))


def _is_ipv4(text: str, match: re.Match[str], named: bool) -> bool:
    before = text[max(0, match.start() - _LOOK_BACK) : match.start()]
    # `Chrome/120.0.0.0`, `postgres-16.1.0.2`, but `http://203.0.113.7/`
    if before.endswith(("-", "/")) and not before.endswith("//"):
        return False
    if _VERSION.search(before):
        return False
    written = match[0].split(".")
    parts = [int(part) for part in written]
    if max(parts) > _OCTET or [str(part) for part in parts] != written:
        return False
    # `Linux 5.15.133.1`, `120.0.0.0`: one address in 250 looks so as well.
    if not named and ((parts[0] < _MAJOR and parts[3] < _PATCH) or parts[2:] == [0, 0]):
        return False
    address = ipaddress.IPv4Address(match[0])
    return not (parts[0] in (0, 255) or address.is_loopback or address.is_multicast or _is_of_a_site(address))


# RFC 1918 and RFC 3927. `is_private` has the networks of documentation as well, which stand for people's in examples.
_SITES = [
    ipaddress.IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
]


def _is_of_a_site(address: ipaddress.IPv4Address) -> bool:
    return any(address in network for network in _SITES)


def _is_ipv6(text: str) -> bool:
    for one in (text, text.removesuffix(":")):
        try:
            ipaddress.IPv6Address(one)
        except ValueError:
            continue
        return True
    return False
